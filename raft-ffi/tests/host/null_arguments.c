/* NULL in each place where a pointer goes, one after the other: a status or the answer the header tells, never more.
 * Where NULL is a value like any other (err, empty arrays, optional results) the call has to work. A test of
 * surface.rs holds this file to naming every function of the header. */
#include "check.h"

#define BAD(call) GIVES(RFT_E_INVALID_ARG, call)

static void plain_functions(void)
{
  CHECK(rft_version_number() == RFT_VERSION_NUMBER && rft_abi_version() == RFT_ABI_VERSION);
  CHECK(rft_version_string() != NULL && rft_status_name(0) != NULL && rft_status_str(0) != NULL);
  CHECK(rft_status_is_retryable(0) == 0 && rft_status_is_fatal(0) == 0);
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

static rft_status_t no_apply(void *user, const rft_entry_t *entries, size_t n)
{
  (void)user, (void)entries, (void)n;
  return RFT_OK;
}

static void count_drop(void *user)
{
  ++*(int *)user;
}

static void open_functions(const rft_config_t *config, rft_engine_t **engine)
{
  const char *dir = below("null-engine");
  int drops = 0;
  rft_host_t host = {0};
  host.size = sizeof host;
  host.user_data = &drops;
  host.drop = count_drop;
  BAD(rft_engine_open(config, dir, strlen(dir), NULL, engine, ERR));
  CHECK(drops == 0);
  BAD(rft_engine_open(config, dir, strlen(dir), &host, engine, ERR)); /* no apply */
  host.apply = no_apply;
  BAD(rft_engine_open(NULL, dir, strlen(dir), &host, engine, ERR));
  BAD(rft_engine_open(config, NULL, 3, &host, engine, ERR));
  BAD(rft_engine_open(config, dir, strlen(dir), &host, NULL, ERR));
  CHECK(drops == 4); /* what belonged to the engine was freed each time */
  host.user_data = NULL;
  host.drop = NULL;
  CHECK(rft_engine_open(config, dir, strlen(dir), &host, engine, NULL) == RFT_OK);
}

static void request_functions(rft_engine_t *engine)
{
  const uint8_t byte = 0;
  const rft_proposal_t proposal = {&byte, 1, 0}, hollow = {NULL, 1, 0};
  const rft_change_t change = {2, RFT_CHANGE_UPDATE, 0};
  rft_outcome_t outcome;
  BAD(rft_engine_propose(NULL, &proposal, 1, ERR));
  BAD(rft_engine_propose(engine, NULL, 1, ERR));
  BAD(rft_engine_propose(engine, &hollow, 1, ERR));
  CHECK(rft_engine_propose(engine, &proposal, 1, NULL) == RFT_OK);
  BAD(rft_engine_propose_wait(NULL, &byte, 1, 9999, &outcome, ERR));
  BAD(rft_engine_propose_wait(engine, NULL, 1, 9999, &outcome, ERR));
  CHECK(rft_engine_propose_wait(engine, &byte, 1, 9999, NULL, NULL) == RFT_OK);
  uint8_t answer;
  BAD(rft_engine_call(NULL, &byte, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call(engine, NULL, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call(engine, &byte, 1, 9999, NULL, 1, &outcome, ERR));
  BAD(rft_engine_call(engine, &byte, 1, 9999, &answer, 1, NULL, ERR));
  CHECK(rft_engine_call(engine, &byte, 1, 9999, NULL, 0, &outcome, NULL) == RFT_OK);
  BAD(rft_answer_set(NULL, &byte, 1, ERR));
  BAD(rft_engine_session_open(NULL, 1, ERR));
  BAD(rft_engine_session_open(engine, 0, ERR));
  BAD(rft_engine_session_open_wait(NULL, 9999, &outcome, ERR));
  BAD(rft_engine_session_open_wait(engine, 9999, NULL, ERR));
  CHECK(rft_engine_session_open_wait(engine, 9999, &outcome, NULL) == RFT_OK);
  const uint64_t session = outcome.index;
  BAD(rft_engine_propose_once(NULL, session, 1, &byte, 1, 1, ERR));
  BAD(rft_engine_propose_once(engine, 0, 1, &byte, 1, 1, ERR));
  BAD(rft_engine_propose_once(engine, session, 0, &byte, 1, 1, ERR));
  BAD(rft_engine_propose_once(engine, session, 1, NULL, 1, 1, ERR));
  BAD(rft_engine_call_once(NULL, session, 1, &byte, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call_once(engine, 0, 1, &byte, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call_once(engine, session, 0, &byte, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call_once(engine, session, 1, NULL, 1, 9999, &answer, 1, &outcome, ERR));
  BAD(rft_engine_call_once(engine, session, 1, &byte, 1, 9999, NULL, 1, &outcome, ERR));
  BAD(rft_engine_call_once(engine, session, 1, &byte, 1, 9999, &answer, 1, NULL, ERR));
  CHECK(rft_engine_call_once(engine, session, 1, &byte, 1, 9999, NULL, 0, &outcome, NULL) == RFT_OK);
  BAD(rft_engine_session_close(NULL, session, 0, ERR));
  BAD(rft_engine_session_close(engine, 0, 0, ERR));
  CHECK(rft_engine_session_close(engine, session, 0, NULL) == RFT_OK);
  BAD(rft_engine_read(NULL, 1, ERR));
  CHECK(rft_engine_read(engine, 1, NULL) == RFT_OK);
  BAD(rft_engine_read_wait(NULL, 9999, &outcome, ERR));
  CHECK(rft_engine_read_wait(engine, 9999, NULL, NULL) == RFT_OK);
  BAD(rft_engine_read_within(NULL, 1, 1, ERR));
  CHECK(rft_engine_read_within(engine, 1, 1, NULL) == RFT_OK);
  BAD(rft_engine_read_within_wait(NULL, 1, 9999, &outcome, ERR));
  CHECK(rft_engine_read_within_wait(engine, 1, 9999, NULL, NULL) == RFT_OK);
  uint8_t text[16];
  size_t len = 0;
  uint64_t count = 0;
  BAD(rft_engine_counter(NULL, RFT_COUNTER_READS, &count, ERR));
  BAD(rft_engine_counter(engine, RFT_COUNTER_READS, NULL, ERR));
  BAD(rft_engine_counter(engine, 999, &count, ERR));
  BAD(rft_engine_counter(engine, -1, &count, ERR));
  CHECK(rft_engine_counter(engine, RFT_COUNTER_READS, &count, NULL) == RFT_OK && count > 0);
  BAD(rft_engine_metrics(NULL, text, sizeof text, &len, ERR));
  BAD(rft_engine_metrics(engine, NULL, 1, &len, ERR));
  BAD(rft_engine_metrics(engine, text, sizeof text, NULL, ERR));
  CHECK(rft_engine_metrics(engine, NULL, 0, &len, NULL) == RFT_OK && len > 1000);
  BAD(rft_engine_status_json(NULL, text, sizeof text, &len, ERR));
  BAD(rft_engine_status_json(engine, NULL, 1, &len, ERR));
  BAD(rft_engine_status_json(engine, text, sizeof text, NULL, ERR));
  CHECK(rft_engine_status_json(engine, text, sizeof text, &len, NULL) == RFT_OK && len > sizeof text);
  CHECK(memcmp(text, "{\"id\":1,\"role\":", 15) == 0);
  BAD(rft_engine_change(NULL, &change, 1, RFT_TRANSITION_AUTO, &byte, 1, 0, ERR));
  BAD(rft_engine_change(engine, NULL, 1, RFT_TRANSITION_AUTO, &byte, 1, 0, ERR));
  BAD(rft_engine_change(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 1, 0, ERR));
  BAD(rft_engine_change_wait(NULL, &change, 1, RFT_TRANSITION_AUTO, &byte, 1, 9999, &outcome, ERR));
  BAD(rft_engine_change_wait(engine, NULL, 1, RFT_TRANSITION_AUTO, &byte, 1, 9999, &outcome, ERR));
  BAD(rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 1, 9999, &outcome, ERR));
  CHECK(rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 9999, NULL, NULL) == RFT_OK);
  BAD(rft_engine_replace(NULL, 0, 1, &byte, 1, 9999, 0, ERR));
  BAD(rft_engine_replace(engine, 0, 1, NULL, 1, 9999, 0, ERR));
  BAD(rft_engine_replace_wait(NULL, 0, 1, &byte, 1, 9999, &outcome, ERR));
  BAD(rft_engine_replace_wait(engine, 0, 1, NULL, 1, 9999, &outcome, ERR));
  CHECK(rft_engine_replace_wait(engine, 0, 1, NULL, 0, 9999, NULL, NULL) == RFT_OK); /* it is a voter */
  BAD(rft_engine_member_bytes(NULL, 1, &answer, 1, &len, ERR));
  BAD(rft_engine_member_bytes(engine, 1, NULL, 1, &len, ERR));
  BAD(rft_engine_member_bytes(engine, 1, &answer, 1, NULL, ERR));
  CHECK(rft_engine_member_bytes(engine, 1, NULL, 0, &len, NULL) == RFT_OK && len == 0);
  BAD(rft_engine_transfer_leader(NULL, 1, 0, ERR));
  CHECK(rft_engine_transfer_leader(engine, 1, 0, NULL) == RFT_OK);
  BAD(rft_engine_transfer_leader_wait(NULL, 1, 10, NULL, ERR));
  BAD(rft_engine_snapshot(NULL, 1, ERR));
  CHECK(rft_engine_snapshot(engine, 1, NULL) == RFT_OK);
  BAD(rft_engine_snapshot_wait(NULL, 9999, &outcome, ERR));
  GIVES(RFT_E_HOST, rft_engine_snapshot_wait(engine, 9999, NULL, ERR));
}

static void engine_functions(void)
{
  rft_config_t *config = config_of(1, 1);
  rft_engine_t *engine = NULL;
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, ERR));
  open_functions(config, &engine);
  const uint8_t byte = 0;
  const rft_bytes_t message = {&byte, 1}, hollow = {NULL, 1};
  rft_node_status_t status;
  rft_member_t member;
  size_t n = 0;
  BAD(rft_engine_campaign(NULL, ERR));
  CHECK(rft_engine_campaign(engine, NULL) == RFT_OK);
  for (uint64_t until = now_ms() + 10000; rft_engine_read_wait(engine, 9999, NULL, NULL) != RFT_OK;) {
    CHECK(now_ms() < until); /* it elects itself */
    sleep_ms(1);
  }
  request_functions(engine);
  BAD(rft_engine_step(NULL, &byte, 1, ERR));
  BAD(rft_engine_step(engine, NULL, 1, ERR));
  CHECK(rft_engine_step(engine, &byte, 1, NULL) == RFT_E_DECODE);
  BAD(rft_engine_step_many(NULL, &message, 1, &n, ERR));
  BAD(rft_engine_step_many(engine, NULL, 1, &n, ERR));
  BAD(rft_engine_step_many(engine, &hollow, 1, &n, ERR));
  CHECK(rft_engine_step_many(engine, &message, 1, NULL, NULL) == RFT_E_DECODE);
  BAD(rft_engine_step_from(NULL, 2, &message, 1, &n, ERR));
  BAD(rft_engine_step_from(engine, 0, &message, 1, &n, ERR));
  BAD(rft_engine_step_from(engine, 2, NULL, 1, &n, ERR));
  BAD(rft_engine_step_from(engine, 2, &hollow, 1, &n, ERR));
  CHECK(rft_engine_step_from(engine, 2, &message, 1, NULL, NULL) == RFT_E_DECODE);
  BAD(rft_engine_report_unreachable(NULL, 2, ERR));
  BAD(rft_engine_status(NULL, &status, ERR));
  BAD(rft_engine_status(engine, NULL, ERR));
  CHECK(rft_engine_status(engine, &status, NULL) == RFT_OK);
  BAD(rft_engine_members(NULL, &member, 1, &n, ERR));
  BAD(rft_engine_members(engine, NULL, 1, &n, ERR));
  BAD(rft_engine_members(engine, &member, 1, NULL, ERR));
  CHECK(rft_engine_members(engine, NULL, 0, &n, NULL) == RFT_OK);
  BAD(rft_engine_stop(NULL, 1000, ERR));
  CHECK(rft_engine_stop(engine, 10000, NULL) == RFT_OK);
  rft_engine_free(engine);
  rft_engine_free(NULL);

  BAD(rft_snapshot_write(NULL, &byte, 1, ERR));
  BAD(rft_snapshot_read(NULL, (uint8_t *)&status, sizeof status, &n, ERR));
  CHECK(rft_snapshot_len(NULL) == 0);
  rft_config_free(config);
}

void test_null_arguments(void)
{
  plain_functions();
  config_functions();
  node_functions();
  store_functions();
  engine_functions();
}
