/* The engine layer with one node: requests and outcomes, callbacks that misbehave, stop, failure, restart. */
#include "app.h"

/* Requests [from, from + count), one entry each. */
static void propose(uint64_t id, uint64_t from, size_t count)
{
  char texts[100][24];
  rft_proposal_t proposals[100];
  CHECK(count <= 100);
  for (size_t at = 0; at < count; at++) {
    proposals[at].len = (size_t)snprintf(texts[at], sizeof texts[at], "request %u", (unsigned)(from + at));
    proposals[at].data = (const uint8_t *)texts[at];
    proposals[at].request = from + at;
  }
  OK(rft_engine_propose(app_engine(id), proposals, count, ERR));
  memset(texts, 0, sizeof texts); /* borrowed for the call */
}

static unsigned answered(uint64_t id, uint64_t from, uint64_t to)
{
  unsigned count = 0;
  pthread_mutex_lock(&apps[id].lock);
  for (uint64_t request = from; request < to; request++) {
    CHECK(apps[id].outcomes[request] <= 1);
    count += apps[id].outcomes[request];
  }
  pthread_mutex_unlock(&apps[id].lock);
  return count;
}

static void lead(uint64_t id)
{
  rft_node_status_t status;
  OK(rft_engine_campaign(app_engine(id), ERR));
  WAIT(rft_engine_status(app_engine(id), &status, NULL) == RFT_OK && status.role == RFT_ROLE_LEADER);
  WAIT(rft_engine_read_wait(app_engine(id), 1000, NULL, NULL) == RFT_OK);
}

static void outcomes_come_once(void)
{
  rft_outcome_t outcome;
  propose(1, 1, 100);
  propose(1, 101, 100);
  WAIT(answered(1, 1, 201) == 200);
  for (unsigned request = 1; request <= 200; request++) {
    CHECK(apps[1].last[request].status == RFT_OK && apps[1].last[request].index > 1);
    CHECK(request == 1 || apps[1].last[request].index == apps[1].last[request - 1].index + 1);
    CHECK(apps[1].seen[request] == 1);
  }
  memset(&outcome, 0xff, sizeof outcome);
  OK(rft_engine_propose_wait(app_engine(1), (const uint8_t *)"w", 1, 10000, &outcome, ERR));
  CHECK(outcome.request == 0 && outcome.status == RFT_OK && outcome.term > 0);
  CHECK(outcome.answer == NULL && outcome.answer_len == 8);
  uint8_t answer[8] = {0};
  OK(rft_engine_call(app_engine(1), (const uint8_t *)"v", 1, 10000, answer, sizeof answer, &outcome, ERR));
  CHECK(outcome.answer == answer && outcome.answer_len == 8 && number_in(answer) == outcome.index);
  rft_outcome_t again;
  uint64_t session;
  OK(rft_engine_session_open_wait(app_engine(1), 10000, &outcome, ERR));
  session = outcome.index;
  OK(rft_engine_call_once(app_engine(1), session, 1, (const uint8_t *)"s", 1, 10000, answer, 8, &outcome, ERR));
  memset(answer, 0, sizeof answer);
  OK(rft_engine_call_once(app_engine(1), session, 1, (const uint8_t *)"s", 1, 10000, answer, 8, &again, ERR));
  CHECK(memcmp(&outcome, &again, sizeof again) == 0 && number_in(answer) == outcome.index);
  GIVES(RFT_E_SESSION, rft_engine_call_once(app_engine(1), 1, 1, NULL, 0, 10000, NULL, 0, &again, ERR));
  OK(rft_engine_session_open(app_engine(1), 302, ERR));
  WAIT(answered(1, 302, 303) == 1);
  OK(rft_engine_propose_once(app_engine(1), apps[1].last[302].index, 1, (const uint8_t *)"t", 1, 303, ERR));
  WAIT(answered(1, 303, 304) == 1);
  CHECK(apps[1].last[303].status == RFT_OK && apps[1].seen[303] == 1);
  OK(rft_engine_session_close(app_engine(1), session, 304, ERR));
  WAIT(answered(1, 304, 305) == 1);
  uint8_t cut[2] = {0, 0xee};
  OK(rft_engine_call(app_engine(1), (const uint8_t *)"u", 1, 10000, cut, 1, &outcome, ERR));
  CHECK(outcome.answer_len == 8 && cut[0] == (uint8_t)outcome.index && cut[1] == 0xee);
  CHECK(app_state(1).index >= outcome.index && app_state(1).count == 205);
  OK(rft_engine_propose_wait(app_engine(1), NULL, 0, 10000, &outcome, ERR)); /* an empty one is not seen by apply */
  CHECK(app_state(1).count == 205);
  OK(rft_engine_read(app_engine(1), 300, ERR));
  WAIT(answered(1, 300, 301) == 1);
  CHECK(apps[1].last[300].status == RFT_OK);
  OK(rft_engine_snapshot(app_engine(1), 301, ERR));
  WAIT(answered(1, 301, 302) == 1);
  CHECK(apps[1].last[301].status == RFT_OK && apps[1].last[301].index > 200 && apps[1].saves == 1);
  pthread_mutex_lock(&apps[1].lock);
  apps[1].views = 1;
  pthread_mutex_unlock(&apps[1].lock);
  OK(rft_engine_propose_wait(app_engine(1), (const uint8_t *)"b", 1, 10000, &outcome, ERR));
  rft_outcome_t saved;
  OK(rft_engine_snapshot_wait(app_engine(1), 10000, &saved, ERR));
  CHECK(saved.status == RFT_OK && saved.index >= outcome.index);
  WAIT(apps[1].view_drops == 1);
  CHECK(apps[1].saves == 1 && apps[1].view_saves == 1);
}

static void a_snapshot_that_fails_stops_nothing(void)
{
  rft_outcome_t outcome;
  rft_error_t *error = NULL;
  OK(rft_engine_propose_wait(app_engine(1), (const uint8_t *)"b", 1, 10000, NULL, ERR)); /* there is something to save */
  pthread_mutex_lock(&apps[1].lock);
  apps[1].save_answers = 7;
  apps[1].views = 0;
  pthread_mutex_unlock(&apps[1].lock);
  CHECK(rft_engine_snapshot_wait(app_engine(1), 10000, &outcome, &error) == RFT_E_HOST);
  CHECK(outcome.status == RFT_E_HOST && rft_error_code(error) == RFT_E_HOST);
  CHECK(!rft_error_is_fatal(error) && !rft_error_is_retryable(error));
  rft_error_free(error);
  pthread_mutex_lock(&apps[1].lock);
  apps[1].save_answers = RFT_OK;
  pthread_mutex_unlock(&apps[1].lock);
  OK(rft_engine_snapshot_wait(app_engine(1), 10000, NULL, ERR));
}

static void what_is_risky_is_refused_with_a_reason(void)
{
  rft_engine_t *engine = app_engine(1);
  rft_change_t change = {2, RFT_CHANGE_ADD_VOTER, 0};
  rft_error_t *error = NULL;
  uint8_t known[2];
  size_t len = 0;
  CHECK(rft_engine_member_bytes(engine, 1, known, sizeof known, &len, NULL) == RFT_OK);
  CHECK(len == 4 && memcmp(known, "ad", 2) == 0);
  CHECK(rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 10000, NULL, &error) ==
        RFT_E_QUORUM_AT_RISK);
  CHECK(strstr(rft_error_message(error), "node 2") != NULL && !rft_error_is_retryable(error));
  rft_error_free(error);
  change.node_id = 1;
  change.type = RFT_CHANGE_REMOVE;
  GIVES(RFT_E_CONF_CHANGE, rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_AUTO + RFT_TRANSITION_FORCED,
                                                  NULL, 0, 10000, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_FORCED + 3, NULL, 0, 10000,
                                                  NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_replace_wait(engine, 1, 1, NULL, 0, 10000, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_replace_wait(engine, 1, 0, NULL, 0, 10000, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_replace_wait(engine, 9, 2, NULL, 0, 10000, NULL, ERR));
  OK(rft_engine_replace(engine, 0, 1, NULL, 0, 10000, 315, ERR)); /* it votes already */
  WAIT(answered(1, 315, 316) == 1);
  CHECK(apps[1].last[315].status == RFT_OK && apps[1].last[315].term == 0);
}

static void limits_are_kept(void)
{
  static uint8_t bytes[2001];
  rft_proposal_t proposals[2] = {{bytes, 1, 310}, {bytes, sizeof bytes, 311}};
  rft_change_t change = {0, RFT_CHANGE_ADD_VOTER, 0};
  rft_outcome_t outcome;
  GIVES(RFT_E_TOO_LARGE, rft_engine_propose(app_engine(1), proposals, 2, ERR));
  GIVES(RFT_E_TOO_LARGE, rft_engine_propose_wait(app_engine(1), bytes, sizeof bytes, 1000, NULL, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_propose(app_engine(1), proposals, SIZE_MAX, ERR));
  OK(rft_engine_propose(app_engine(1), NULL, 0, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_change(app_engine(1), &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 312, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_change(app_engine(1), NULL, 0, 7, NULL, 0, 312, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_transfer_leader(app_engine(1), 0, 0, ERR));
  GIVES(RFT_E_INVALID_ARG, rft_engine_report_unreachable(app_engine(1), UINT64_MAX, ERR));
  change.node_id = 1;
  change.type = RFT_CHANGE_REMOVE;
  GIVES(RFT_E_CONF_CHANGE,
        rft_engine_change_wait(app_engine(1), &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 10000, &outcome, ERR));
  change.type = RFT_CHANGE_UPDATE;
  OK(rft_engine_change_wait(app_engine(1), &change, 1, RFT_TRANSITION_AUTO, (const uint8_t *)"addr", 4, 10000,
                            &outcome, ERR));
  CHECK(outcome.status == RFT_OK && strcmp(apps[1].context, "addr") == 0);
  what_is_risky_is_refused_with_a_reason();
  CHECK(answered(1, 310, 313) == 0);

  const uint8_t hup[] = {0x08, 0}, stranger[] = {0x08, 4, 0x10, 1, 0x18, 9, 0x20, 1};
  const uint8_t elsewhere[] = {0x08, 8, 0x10, 2, 0x18, 2, 0x20, 1}, status[] = {0x08, 11, 0x10, 1, 0x18, 2};
  GIVES(RFT_E_INVALID_ARG, rft_engine_step(app_engine(1), hup, 0, ERR));
  GIVES(RFT_E_LOCAL_MESSAGE, rft_engine_step(app_engine(1), hup, sizeof hup, ERR));
  GIVES(RFT_E_LOCAL_MESSAGE, rft_engine_step(app_engine(1), status, sizeof status, ERR));
  GIVES(RFT_E_UNKNOWN_PEER, rft_engine_step(app_engine(1), stranger, sizeof stranger, ERR));
  GIVES(RFT_E_WRONG_RECEIVER, rft_engine_step(app_engine(1), elsewhere, sizeof elsewhere, ERR));
  GIVES(RFT_E_DECODE, rft_engine_step(app_engine(1), (const uint8_t *)"\x3a\x7f", 2, ERR));
  /* What node 3 brings is of node 3, or it is a request to hand over to node 2. */
  const uint8_t forged[] = {0x08, 8, 0x10, 1, 0x18, 2, 0x20, 0}, honest[] = {0x08, 8, 0x10, 1, 0x18, 3, 0x20, 0};
  const uint8_t transfer[] = {0x08, 13, 0x10, 1, 0x18, 2};
  const rft_bytes_t brought[3] = {{honest, sizeof honest}, {transfer, sizeof transfer}, {forged, sizeof forged}};
  size_t done = 9;
  GIVES(RFT_E_WRONG_SENDER, rft_engine_step_from(app_engine(1), 3, brought, 3, &done, ERR));
  CHECK(done == 2);
}

static void misuse_from_callbacks_is_refused(void)
{
  pthread_mutex_lock(&apps[1].lock);
  apps[1].misuse = 1;
  pthread_mutex_unlock(&apps[1].lock);
  OK(rft_engine_propose_wait(app_engine(1), (const uint8_t *)"m", 1, 10000, NULL, ERR));
  CHECK(apps[1].misused == 1 && apps[1].free_lines == 1);
}

static void small(rft_config_t *config)
{
  OK(rft_config_set(config, RFT_CONFIG_PROPOSAL_BYTES_MAX, 2000, ERR));
}

static void stop_answers_everything(void)
{
  for (unsigned batch = 0; batch < 10; batch++) {
    propose(1, 1000 + batch * 100, 100);
  }
  OK(rft_engine_stop(app_engine(1), 30000, ERR));
  OK(rft_engine_stop(app_engine(1), 0, ERR));
  CHECK(answered(1, 1000, 2000) == 1000);
  rft_proposal_t proposal = {NULL, 0, 5};
  rft_node_status_t status;
  rft_member_t member;
  size_t n = 0;
  GIVES(RFT_E_STOPPED, rft_engine_propose(app_engine(1), &proposal, 1, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_propose_wait(app_engine(1), NULL, 0, 1000, NULL, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_read_wait(app_engine(1), 1000, NULL, ERR));
  rft_error_t *error = NULL;
  CHECK(rft_engine_snapshot_wait(app_engine(1), 1000, NULL, &error) == RFT_E_STOPPED && rft_error_is_fatal(error));
  rft_error_free(error);
  GIVES(RFT_E_STOPPED, rft_engine_campaign(app_engine(1), ERR));
  OK(rft_engine_status(app_engine(1), &status, ERR));
  CHECK(status.id == 1 && status.failure == RFT_OK);
  OK(rft_engine_members(app_engine(1), &member, 1, &n, ERR));
  CHECK(n == 1 && member.id == 1 && member.flags == RFT_MEMBER_VOTER);
  CHECK(apps[1].drops == 0);
  app_close(1);
  CHECK(apps[1].drops == 1);
}

static void a_restart_brings_everything_back(void)
{
  state_t before = app_state(1);
  app_reset(1);
  CHECK(app_open(1, 1, small) == RFT_OK);
  CHECK(apps[1].restores == 1); /* from the snapshot, on this thread */
  lead(1);
  /* What stop answered with RFT_E_STOPPED may be there or not; what was applied is. */
  CHECK(app_state(1).count >= before.count && apps[1].recoveries == 1 && apps[1].roles > 0);
  CHECK(apps[1].seen[0] > 0 && apps[1].seen[1001] == 0); /* requests are of the engine they were made at */
}

static void an_apply_that_fails_stops_the_engine(void)
{
  pthread_mutex_lock(&apps[1].lock);
  apps[1].apply_answers = 7;
  pthread_mutex_unlock(&apps[1].lock);
  rft_status_t status = rft_engine_propose_wait(app_engine(1), (const uint8_t *)"f", 1, 30000, NULL, NULL);
  CHECK(status != RFT_OK && status != RFT_E_TIMED_OUT);
  WAIT(rft_engine_campaign(app_engine(1), NULL) == RFT_E_HOST);
  rft_node_status_t node;
  OK(rft_engine_status(app_engine(1), &node, ERR));
  CHECK(node.failure == RFT_E_HOST);
  rft_error_t *error = NULL;
  CHECK(rft_engine_read(app_engine(1), 1, &error) == RFT_E_HOST);
  CHECK(rft_error_is_fatal(error) && !rft_error_is_retryable(error));
  CHECK(strcmp(rft_error_message(error), "apply of the host failed with 7") == 0);
  rft_error_free(error);
  error = NULL;
  CHECK(rft_engine_snapshot_wait(app_engine(1), 1000, NULL, &error) == RFT_E_HOST && rft_error_is_fatal(error));
  rft_error_free(error);
  OK(rft_engine_stop(app_engine(1), 30000, ERR));
  CHECK(apps[1].failures == 1 && apps[1].failure == RFT_E_HOST && strlen(apps[1].failure_text) > 5);
  app_close(1);
  CHECK(apps[1].drops == 1);
}

static void hosts_of_other_sizes(void)
{
  rft_config_t *config = config_of(2, 2);
  rft_engine_t *engine = NULL;
  const char *dir = below("engine-sizes");
  app_reset(2);
  rft_host_t host = app_host(&apps[2]);
  host.size = 0;
  GIVES(RFT_E_INVALID_ARG, rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  host.size = offsetof(rft_host_t, outcome) - 1;
  GIVES(RFT_E_INVALID_ARG, rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  CHECK(apps[2].drops == 0);
  host.size = sizeof host;
  host.snapshot_save = NULL;
  GIVES(RFT_E_INVALID_ARG, rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  CHECK(apps[2].drops == 1);
  host = app_host(&apps[2]);
  host.snapshot_view_drop = NULL;
  GIVES(RFT_E_INVALID_ARG, rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  CHECK(apps[2].drops == 2);
  host.snapshot_view = NULL;
  host.snapshot_view_save = NULL;
  host.snapshot_save = NULL;
  host.snapshot_restore = NULL;
  GIVES(RFT_E_INVALID_ARG, rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  CHECK(apps[2].drops == 3 && engine == NULL);

  /* A host of an older header ends before event and log: they are not called, whatever is in memory there. */
  host = app_host(&apps[2]);
  host.size = offsetof(rft_host_t, event) + 4;
  memset(&host.event, 0x11, sizeof host - offsetof(rft_host_t, event));
  OK(rft_engine_open(config, dir, strlen(dir), &host, &engine, ERR));
  rft_engine_t *second = NULL;
  rft_host_t other = app_host(&apps[2]);
  GIVES(RFT_E_LOCKED, rft_engine_open(config, dir, strlen(dir), &other, &second, ERR));
  CHECK(apps[2].drops == 4 && second == NULL);
  OK(rft_engine_campaign(engine, ERR));
  rft_outcome_t outcome;
  memset(&outcome, 0, sizeof outcome);
  rft_error_t *error = NULL;
  rft_status_t status = rft_engine_propose_wait(engine, (const uint8_t *)"x", 1, 30000, &outcome, &error);
  CHECK(status == RFT_E_NOT_LEADER && outcome.status == status && rft_error_leader(error) == outcome.leader);
  rft_error_free(error);
  rft_engine_free(engine);
  CHECK(apps[2].drops == 5);
  rft_config_free(config);
}

void test_engine(void)
{
  app_dirs = "engine";
  app_reset(1);
  CHECK(app_open(1, 1, small) == RFT_OK);
  CHECK(apps[1].restores == 0);
  lead(1);
  outcomes_come_once();
  a_snapshot_that_fails_stops_nothing();
  limits_are_kept();
  misuse_from_callbacks_is_refused();
  stop_answers_everything();
  a_restart_brings_everything_back();
  an_apply_that_fails_stops_the_engine();
  hosts_of_other_sizes();
}
