/* What a host can get wrong: each time a named status, and everything goes on. */
#include "check.h"

static rft_node_t *node_of(uint64_t id, uint64_t voters)
{
  rft_node_t *node = NULL;
  rft_config_t *config = config_of(id, voters);
  OK(rft_node_create(config, NULL, &node, ERR));
  rft_config_free(config);
  return node;
}

static void bad_configurations(void)
{
  rft_config_t *config = rft_config_new();
  rft_node_t *node = NULL;
  uint64_t value = 7;
  GIVES(RFT_E_CONFIG, rft_config_validate(config, ERR)); /* no id */
  GIVES(RFT_E_CONFIG, rft_node_create(config, NULL, &node, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_set(config, RFT_CONFIG_ID, 0, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_set(config, RFT_CONFIG_ID, UINT64_MAX, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_set(config, 0, 1, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_set(config, 4711, 1, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_get(config, -1, &value, ERR));
  CHECK(value == 7);
  GIVES(RFT_E_CONFIG, rft_config_set(config, RFT_CONFIG_TICK_INTERVAL_MS, 0, ERR));
  GIVES(RFT_E_CONFIG, rft_config_set(config, RFT_CONFIG_PRE_VOTE, 2, ERR));
  OK(rft_config_set(config, RFT_CONFIG_ID, 3, ERR));
  OK(rft_config_get(config, RFT_CONFIG_ID, &value, ERR));
  CHECK(value == 3);
  OK(rft_config_add_voter(config, 3, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_config_add_voter(config, 3, ERR)); /* twice */
  GIVES(RFT_E_INVALID_ARG, rft_config_add_voter(config, 0, ERR));
  OK(rft_config_set(config, RFT_CONFIG_HEARTBEAT_TICKS, 10, ERR));
  GIVES(RFT_E_CONFIG, rft_config_validate(config, ERR)); /* as many as to an election */
  GIVES(RFT_E_CONFIG, rft_node_create(config, NULL, &node, ERR));
  CHECK(node == NULL);
  rft_config_free(config);

  config = config_of(9, 3); /* a node that its own list of voters leaves out */
  GIVES(RFT_E_CONFIG, rft_config_validate(config, ERR));
  rft_config_free(config);
}

static void unknown_codes(void)
{
  CHECK(strcmp(rft_status_name(RFT_E_BUSY), "RFT_E_BUSY") == 0);
  CHECK(strcmp(rft_status_name(1), "RFT_E_?") == 0);
  CHECK(strcmp(rft_status_name(INT32_MIN), "RFT_E_?") == 0);
  CHECK(rft_status_is_retryable(RFT_E_BUSY) == 1 && rft_status_is_retryable(RFT_E_TIMED_OUT) == 0);
  CHECK(rft_status_is_fatal(RFT_E_STOPPED) == 1 && rft_status_is_fatal(RFT_E_BUSY) == 0);
  CHECK(rft_status_is_retryable(INT32_MIN) == 0 && rft_status_is_fatal(1) == 0);
  CHECK(strlen(rft_status_str(RFT_E_MISUSE)) > 5 && strlen(rft_status_str(-4711)) > 5);
}

/* Messages: raftpb.Message, fields type = 1, to = 2, from = 3, term = 4. */
static void bad_messages(void)
{
  rft_node_t *node = node_of(1, 3);
  const uint8_t hup[] = {0x08, 0};
  const uint8_t stranger[] = {0x08, 4, 0x10, 1, 0x18, 9, 0x20, 1};    /* MsgAppResp of node 9 */
  const uint8_t elsewhere[] = {0x08, 8, 0x10, 2, 0x18, 2, 0x20, 1};   /* MsgHeartbeat for node 2 */
  const uint8_t unknown[] = {0x08, 99, 0x10, 1};
  const uint8_t lying[] = {0x08, 3, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f};
  const uint8_t chunk[] = {0x08, 7, 0x10, 1, 0x18, 2, 0x20, 1, 0x62, 1, 'c'};
  GIVES(RFT_E_INVALID_ARG, rft_node_step(node, hup, 0, ERR));
  GIVES(RFT_E_LOCAL_MESSAGE, rft_node_step(node, hup, sizeof hup, ERR));
  GIVES(RFT_E_UNKNOWN_PEER, rft_node_step(node, stranger, sizeof stranger, ERR));
  GIVES(RFT_E_WRONG_RECEIVER, rft_node_step(node, elsewhere, sizeof elsewhere, ERR));
  GIVES(RFT_E_DECODE, rft_node_step(node, unknown, sizeof unknown, ERR));
  GIVES(RFT_E_DECODE, rft_node_step(node, lying, sizeof lying, ERR));
  GIVES(RFT_E_DECODE, rft_node_step(node, chunk, sizeof chunk, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_step(node, hup, SIZE_MAX, ERR));

  const uint8_t heartbeat[] = {0x08, 8, 0x10, 1, 0x18, 2, 0x20, 1};
  rft_bytes_t many[3] = {{heartbeat, sizeof heartbeat}, {stranger, sizeof stranger}, {heartbeat, sizeof heartbeat}};
  size_t done = 9;
  GIVES(RFT_E_UNKNOWN_PEER, rft_node_step_many(node, many, 3, &done, ERR));
  CHECK(done == 1);
  many[1].data = NULL;
  done = 9;
  GIVES(RFT_E_INVALID_ARG, rft_node_step_many(node, many, 3, &done, ERR));
  CHECK(done == 9);

  /* Every truncation of a message, and noise of every length: an answer each time, and the node lives. */
  for (size_t len = 1; len < sizeof heartbeat; len++) {
    (void)rft_node_step(node, heartbeat, len, NULL);
  }
  uint64_t noise = 88172645463325252u;
  uint8_t bytes[256];
  for (unsigned round = 0; round < LESS(20000); round++) {
    size_t len = 1 + noise % sizeof bytes;
    for (size_t at = 0; at < len; at++) {
      noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17;
      bytes[at] = (uint8_t)noise;
    }
    if (round % 2 == 0) {
      memcpy(bytes, heartbeat, len < 6 ? len : 6); /* half of it starts like a message */
    }
    (void)rft_node_step(node, bytes, len, NULL);
    if (rft_node_has_ready(node)) {
      rft_ready_t ready;
      OK(rft_node_ready(node, &ready, ERR));
      OK(rft_node_advance(node, ERR));
    }
  }
  rft_node_status_t status;
  OK(rft_node_status(node, &status, ERR));
  CHECK(status.failure == RFT_OK);
  rft_node_free(node);
}

static void bad_requests(void)
{
  rft_node_t *node = NULL;
  rft_config_t *config = config_of(1, 1);
  OK(rft_config_set(config, RFT_CONFIG_PROPOSAL_BYTES_MAX, 100, ERR));
  OK(rft_node_create(config, NULL, &node, ERR));
  rft_config_free(config);
  OK(rft_node_campaign(node, ERR));
  rft_ready_t ready;
  while (rft_node_has_ready(node)) {
    OK(rft_node_ready(node, &ready, ERR));
    OK(rft_node_advance(node, ERR));
  }
  uint8_t bytes[101] = {0};
  rft_bytes_t two[2] = {{bytes, 100}, {bytes, 101}};
  GIVES(RFT_E_TOO_LARGE, rft_node_propose(node, two, 2, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_propose(node, two, 0, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_propose(node, two, SIZE_MAX, NULL, ERR));
  CHECK(!rft_node_has_ready(node)); /* all or none: the first one was not taken either */
  OK(rft_node_propose(node, two, 1, NULL, ERR));

  rft_change_t change = {0, RFT_CHANGE_ADD_VOTER, 0};
  GIVES(RFT_E_INVALID_ARG, rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, ERR));
  change.node_id = 2;
  GIVES(RFT_E_INVALID_ARG, rft_node_propose_change(node, &change, 1, 3, NULL, 0, ERR));
  GIVES(RFT_E_TOO_LARGE, rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, bytes, 101, ERR));
  change.type = 4;
  GIVES(RFT_E_INVALID_ARG, rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, ERR));
  change.type = RFT_CHANGE_REMOVE;
  change.node_id = 1;
  GIVES(RFT_E_CONF_CHANGE, rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, ERR));
  GIVES(RFT_E_CONF_CHANGE, rft_node_propose_change(node, NULL, 0, RFT_TRANSITION_AUTO, NULL, 0, ERR));
  change.type = RFT_CHANGE_ADD_LEARNER;
  change.node_id = 2;
  OK(rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, ERR));
  GIVES(RFT_E_CONF_CHANGE, rft_node_propose_change(node, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, ERR));

  GIVES(RFT_E_INVALID_ARG, rft_node_transfer_leader(node, 0, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_report_unreachable(node, 0, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_report_snapshot(node, 2, 2, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_node_report_snapshot(node, UINT64_MAX, 1, ERR));
  /* A handle of another kind is found by its first word. */
  rft_error_t *error = NULL;
  CHECK(rft_node_transfer_leader(node, 0, &error) == RFT_E_INVALID_ARG && error != NULL);
  GIVES(RFT_E_INVALID_ARG, rft_node_tick((rft_node_t *)error, ERR));
  rft_error_free(error);
  config = rft_config_new();
  GIVES(RFT_E_INVALID_ARG, rft_node_tick((rft_node_t *)config, ERR));
  rft_node_free((rft_node_t *)config); /* not a node: nothing happens */
  rft_config_free(config);
  rft_node_free(node);
}

static void bad_directories(void)
{
  rft_store_t *store = NULL, *second = NULL;
  rft_config_t *config = config_of(1, 1);
  const char *dir = below("store");
  GIVES(RFT_E_INVALID_ARG, rft_store_open(config, "", 0, &store, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_store_open(config, "a\0b", 3, &store, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_store_open(config, "\xff\xfe", 2, &store, ERR));
  GIVES(RFT_E_IO, rft_store_open(config, "/dev/null/store", 15, &store, ERR));
  CHECK(store == NULL);
  OK(rft_store_open(config, dir, strlen(dir), &store, ERR));
  GIVES(RFT_E_LOCKED, rft_store_open(config, dir, strlen(dir), &second, ERR));
  CHECK(second == NULL);
  rft_store_free(store);

  OK(rft_config_set(config, RFT_CONFIG_CLUSTER_ID, 2, ERR));
  GIVES(RFT_E_FOREIGN, rft_store_open(config, dir, strlen(dir), &second, ERR));
  rft_config_free(config);
  config = config_of(2, 2);
  GIVES(RFT_E_FOREIGN, rft_store_open(config, dir, strlen(dir), &second, ERR));
  rft_config_free(config);
  config = config_of(1, 1);
  OK(rft_store_open(config, dir, strlen(dir), &store, ERR)); /* none of it did any harm */
  rft_store_free(store);
  store = NULL;
  OK(rft_config_set(config, RFT_CONFIG_DISK_RESERVE_BYTES, UINT64_MAX, ERR)); /* as if the disk was full */
  dir = below("store-full");
  GIVES(RFT_E_DISK_FULL, rft_store_open(config, dir, strlen(dir), &store, ERR));
  CHECK(store == NULL);
  rft_config_free(config);
}

void test_bad_input(void)
{
  unknown_codes();
  bad_configurations();
  bad_messages();
  bad_requests();
  bad_directories();
}

static void count_drop(void *user)
{
  ++*(int *)user;
}

static rft_status_t no_apply(void *user, const rft_entry_t *entries, size_t n)
{
  (void)user, (void)entries, (void)n;
  return RFT_OK;
}

static void cannot_be_opened(const char *parent)
{
  char dir[512];
  int drops = 0;
  rft_store_t *store = NULL;
  rft_engine_t *engine = NULL;
  rft_config_t *config = config_of(1, 1);
  rft_host_t host = {0};
  int len = snprintf(dir, sizeof dir, "%s/node", parent);
  CHECK(len > 0 && (size_t)len < sizeof dir);
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, ERR));
  host.size = sizeof host;
  host.user_data = &drops;
  host.drop = count_drop;
  host.apply = no_apply;
  for (int round = 0; round < 2; round++) { /* what the first try left behind does not matter */
    rft_error_t *error = NULL;
    CHECK(rft_store_open(config, dir, (size_t)len, &store, &error) == RFT_E_IO);
    CHECK(strstr(rft_error_message(error), dir) != NULL); /* names the file */
    rft_error_free(error);
    GIVES(RFT_E_IO, rft_engine_open(config, dir, (size_t)len, &host, &engine, ERR));
    CHECK(store == NULL && engine == NULL && drops == round + 1);
  }
  rft_config_free(config);
}

void test_bad_disk(void)
{
  const char *dirs[2] = {full_dir, read_only_dir};
  for (int at = 0; at < 2; at++) {
    if (dirs[at][0] != '\0') {
      cannot_be_opened(dirs[at]);
    }
  }
}
