/* NULL in each place where a pointer goes, one after the other: a status or the answer the header tells, never more.
 * Where NULL is a value like any other (err, empty arrays, optional results) the call has to work. A test of
 * surface.rs holds this file to naming every function of the header. */
#include "check.h"

#define BAD(call) GIVES(RFT_E_INVALID_ARG, call)

static void plain_functions(void)
{
  CHECK(rft_version_number() == RFT_VERSION_NUMBER && rft_abi_version() == RFT_ABI_VERSION);
  CHECK(rft_version_string() != NULL && rft_status_name(0) != NULL && rft_status_str(0) != NULL);
  CHECK(rft_error_code(NULL) == RFT_OK && rft_error_message(NULL)[0] == 0 && rft_error_leader(NULL) == 0);
  CHECK(!rft_error_is_retryable(NULL) && !rft_error_is_fatal(NULL));
  rft_error_free(NULL);
}

static void config_functions(void)
{
  uint64_t value = 0;
  rft_config_t *config = rft_config_new();
  BAD(rft_config_set(NULL, RFT_CONFIG_ID, 1, ERR));
  CHECK(rft_config_set(NULL, RFT_CONFIG_ID, 1, NULL) == RFT_E_INVALID_ARG);
  CHECK(rft_config_set(config, RFT_CONFIG_ID, 1, NULL) == RFT_OK);
  BAD(rft_config_get(NULL, RFT_CONFIG_ID, &value, ERR));
  BAD(rft_config_get(config, RFT_CONFIG_ID, NULL, ERR));
  CHECK(rft_config_get(config, RFT_CONFIG_ID, &value, NULL) == RFT_OK);
  BAD(rft_config_add_voter(NULL, 1, ERR));
  CHECK(rft_config_add_voter(config, 1, NULL) == RFT_OK);
  BAD(rft_config_validate(NULL, ERR));
  CHECK(rft_config_validate(config, NULL) == RFT_OK);
  rft_config_free(config);
  rft_config_free(NULL);
}

static void node_functions(void)
{
  rft_config_t *config = config_of(1, 1);
  rft_node_t *node = NULL;
  BAD(rft_node_create(NULL, NULL, &node, ERR));
  BAD(rft_node_create(config, NULL, NULL, ERR));
  CHECK(rft_node_create(config, NULL, NULL, NULL) == RFT_E_INVALID_ARG);
  CHECK(rft_node_create(config, NULL, &node, NULL) == RFT_OK);

  const uint8_t byte = 0;
  const rft_bytes_t payload = {&byte, 1}, hollow = {NULL, 1};
  const rft_change_t change = {2, RFT_CHANGE_ADD_LEARNER, 0};
  rft_ready_t ready;
  rft_node_status_t status;
  rft_member_t member;
  size_t n = 0;
  BAD(rft_node_tick(NULL, ERR));
  CHECK(rft_node_tick(node, NULL) == RFT_OK);
  BAD(rft_node_campaign(NULL, ERR));
  CHECK(rft_node_campaign(node, NULL) == RFT_OK);
  BAD(rft_node_ready(NULL, &ready, ERR));
  BAD(rft_node_ready(node, NULL, ERR));
  BAD(rft_node_advance(NULL, ERR));
  while (rft_node_has_ready(node)) {
    CHECK(rft_node_ready(node, &ready, NULL) == RFT_OK);
    CHECK(rft_node_advance(node, NULL) == RFT_OK);
  }
  CHECK(rft_node_has_ready(NULL) == 0);
  BAD(rft_node_step(NULL, &byte, 1, ERR));
  BAD(rft_node_step(node, NULL, 1, ERR));
  CHECK(rft_node_step(node, &byte, 1, NULL) == RFT_E_DECODE);
  BAD(rft_node_step_many(NULL, &payload, 1, &n, ERR));
  BAD(rft_node_step_many(node, NULL, 1, &n, ERR));
  BAD(rft_node_step_many(node, &hollow, 1, &n, ERR));
  CHECK(rft_node_step_many(node, &payload, 1, NULL, NULL) == RFT_E_DECODE);
  OK(rft_node_step_many(node, NULL, 0, &n, ERR));
  BAD(rft_node_propose(NULL, &payload, 1, NULL, ERR));
  BAD(rft_node_propose(node, NULL, 1, NULL, ERR));
  BAD(rft_node_propose(node, &hollow, 1, NULL, ERR));
  CHECK(rft_node_propose(node, &payload, 1, NULL, NULL) == RFT_OK);
  BAD(rft_node_propose_change(NULL, &change, 1, RFT_TRANSITION_AUTO, &byte, 1, ERR));
  BAD(rft_node_propose_change(node, NULL, 1, RFT_TRANSITION_AUTO, &byte, 1, ERR));
  BAD(rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 1, ERR));
  CHECK(rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, NULL) == RFT_OK);
  BAD(rft_node_read_index(NULL, 1, ERR));
  CHECK(rft_node_read_index(node, 1, NULL) == RFT_OK);
  BAD(rft_node_transfer_leader(NULL, 2, ERR));
  BAD(rft_node_report_unreachable(NULL, 2, ERR));
  BAD(rft_node_report_snapshot(NULL, 2, 1, ERR));
  BAD(rft_node_snapshot(NULL, NULL, 1, &byte, 1, ERR));
  BAD(rft_node_snapshot(node, NULL, 1, NULL, 1, ERR));
  BAD(rft_node_status(NULL, &status, ERR));
  BAD(rft_node_status(node, NULL, ERR));
  CHECK(rft_node_status(node, &status, NULL) == RFT_OK);
  BAD(rft_node_members(NULL, &member, 1, &n, ERR));
  BAD(rft_node_members(node, NULL, 1, &n, ERR));
  BAD(rft_node_members(node, &member, 1, NULL, ERR));
  CHECK(rft_node_members(node, NULL, 0, &n, NULL) == RFT_OK);
  rft_node_free(node);
  rft_node_free(NULL);
  rft_config_free(config);
}

static void store_functions(void)
{
  rft_config_t *config = config_of(1, 1);
  rft_store_t *store = NULL;
  rft_node_t *node = NULL;
  rft_snapshot_t snapshot;
  const char *dir = below("null");
  BAD(rft_store_open(NULL, dir, strlen(dir), &store, ERR));
  BAD(rft_store_open(config, NULL, 4, &store, ERR));
  BAD(rft_store_open(config, dir, strlen(dir), NULL, ERR));
  CHECK(rft_store_open(config, dir, strlen(dir), &store, NULL) == RFT_OK);
  BAD(rft_store_snapshot(NULL, &snapshot, ERR));
  BAD(rft_store_snapshot(store, NULL, ERR));
  CHECK(rft_store_snapshot(store, &snapshot, NULL) == RFT_OK);
  OK(rft_node_create(config, store, &node, ERR));
  BAD(rft_store_save(NULL, node, ERR));
  BAD(rft_store_save(store, NULL, ERR));
  CHECK(rft_store_save(store, node, NULL) == RFT_E_MISUSE);
  rft_node_free(node);
  rft_store_free(store);
  rft_store_free(NULL);
  rft_config_free(config);
}

void test_null_arguments(void)
{
  plain_functions();
  config_functions();
  node_functions();
  store_functions();
}
