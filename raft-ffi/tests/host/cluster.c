/* Three engines of one process, then four: writes, failover, a newcomer that gets a snapshot in chunks, restart. */
#define _GNU_SOURCE /* O_DIRECT */
#include "app.h"

#include <fcntl.h>
#include <unistd.h>

#define FILES_MAX 1024
#define WRITES LESS(400u)

static void tune(rft_config_t *config)
{
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, LESS(300), ERR));
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_TRAILING, 10, ERR));
  OK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_CHUNK_BYTES, 1024, ERR));
  OK(rft_config_set(config, RFT_CONFIG_TRACE, 1, ERR));
}

/* How many engines write past the system's cache, or have said that they cannot. */
static unsigned direct_or_told(void)
{
  unsigned found = 0;
#ifdef O_DIRECT
  for (int file = 0; file < FILES_MAX; file++) {
    char link[64], path[4096];
    int flags = fcntl(file, F_GETFL);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t len = readlink(link, path, sizeof path);
    found += flags != -1 && (flags & O_DIRECT) != 0 && len > 4 && memcmp(path + len - 4, ".wal", 4) == 0;
  }
#endif
  for (uint64_t id = 1; id <= 3; id++) {
    found += apps[id].cached_lines;
  }
  return found;
}

static rft_node_status_t status_of(uint64_t id)
{
  rft_node_status_t status;
  memset(&status, 0, sizeof status);
  OK(rft_engine_status(app_engine(id), &status, ERR));
  return status;
}

/* The engine that leads among `ids`, once there is one. */
static uint64_t leader_of(const uint64_t *ids, size_t n)
{
  uint64_t leader = 0;
  WAIT((leader = status_of(ids[0]).leader) != 0 && app_engine(leader) != NULL &&
       status_of(leader).role == RFT_ROLE_LEADER);
  CHECK(n > 0);
  return leader;
}

/* Whether a call that failed like this may be made again. */
static int try_again(rft_status_t status)
{
  return status == RFT_E_NOT_LEADER || status == RFT_E_DROPPED || status == RFT_E_UNKNOWN ||
         status == RFT_E_TIMED_OUT || status == RFT_E_BUSY || status == RFT_E_CONF_CHANGE ||
         status == RFT_E_LEARNER_BEHIND;
}

/* Writes `count` entries, each until it certainly is applied; says how many may be there twice or more. */
static unsigned write_all(const uint64_t *ids, size_t n, unsigned from, unsigned count)
{
  unsigned unknown = 0;
  for (unsigned at = from; at < from + count; at++) {
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof text, "write %u", at);
    uint64_t until = now_ms() + WAIT_MS;
    for (;;) {
      uint64_t leader = leader_of(ids, n);
      rft_status_t status =
          rft_engine_propose_wait(app_engine(leader), (const uint8_t *)text, len, 2000, NULL, NULL);
      if (status == RFT_OK) {
        break;
      }
      CHECK(now_ms() < until && try_again(status));
      unknown += status == RFT_E_UNKNOWN || status == RFT_E_TIMED_OUT;
    }
  }
  return unknown;
}

static int equal(const uint64_t *ids, size_t n)
{
  state_t first = app_state(ids[0]);
  for (size_t at = 1; at < n; at++) {
    state_t state = app_state(ids[at]);
    if (state.hash != first.hash || state.count != first.count) {
      return 0;
    }
  }
  return 1;
}

/* Changes the membership, at whoever leads among `ids`. */
static void change(const uint64_t *ids, size_t n, uint64_t id, int32_t type, const char *context)
{
  rft_change_t step = {id, type, 0};
  uint64_t until = now_ms() + WAIT_MS;
  for (;;) {
    rft_engine_t *leader = app_engine(leader_of(ids, n));
    rft_status_t status = rft_engine_change_wait(leader, &step, 1, RFT_TRANSITION_AUTO, (const uint8_t *)context,
                                                 strlen(context), 5000, NULL, NULL);
    if (status == RFT_OK) {
      return;
    }
    CHECK(now_ms() < until && try_again(status));
  }
}

/* Hands leadership to `to`; a transfer that does not come through is asked for again. */
static int handed_over(const uint64_t *ids, size_t n, uint64_t to)
{
  uint64_t leader = leader_of(ids, n);
  rft_outcome_t outcome;
  if (leader == to) {
    return 1;
  }
  if (rft_engine_transfer_leader_wait(app_engine(leader), to, 10000, &outcome, NULL) != RFT_OK) {
    return 0;
  }
  CHECK(outcome.leader == to && outcome.term > 1);
  return 1;
}

static uint32_t flags_of(uint64_t at, uint64_t id)
{
  rft_member_t members[8];
  size_t n = 0;
  OK(rft_engine_members(app_engine(at), members, 8, &n, ERR));
  for (size_t member = 0; member < n && member < 8; member++) {
    if (members[member].id == id) {
      return members[member].flags;
    }
  }
  return 0;
}

static int a_follower_forwards_and_gets_the_answer(uint64_t leader, unsigned *extra)
{
  uint8_t answer[8] = {0};
  rft_outcome_t outcome;
  (*extra)++;
  rft_status_t status = rft_engine_call(app_engine(leader % 3 + 1), (const uint8_t *)"f", 1, 10000, answer,
                                        sizeof answer, &outcome, NULL);
  return status == RFT_OK && outcome.answer_len == 8 && number_in(answer) == outcome.index;
}

static void the_leader_falls_silent(uint64_t leader, const uint64_t *ids, unsigned *extra)
{
  app_connect(leader, 0);
  const uint64_t others[] = {leader % 3 + 1, (leader + 1) % 3 + 1};
  WAIT(status_of(others[0]).leader != leader && status_of(others[0]).leader != 0);
  *extra += write_all(others, 2, WRITES, WRITES);
  app_connect(leader, 1); /* it is far behind: a snapshot brings it back */
  WAIT(equal(ids, 3));
  CHECK(app_state(1).count >= 2 * WRITES && app_state(1).count <= 2 * WRITES + *extra);
}

void test_cluster(void)
{
  const uint64_t ids[] = {1, 2, 3};
  app_dirs = "cluster";
  for (uint64_t id = 1; id <= 3; id++) {
    app_reset(id);
    apps[id].padding = 20000;
    CHECK(app_open(id, 3, tune) == RFT_OK);
  }
  WAIT(direct_or_told() == 3);
  uint64_t leader = leader_of(ids, 3);
  unsigned extra = write_all(ids, 3, 0, WRITES);
  WAIT(equal(ids, 3));
  CHECK(app_state(1).count >= WRITES && app_state(1).count <= WRITES + extra);
  WAIT(a_follower_forwards_and_gets_the_answer(leader_of(ids, 3), &extra));
  leader = leader_of(ids, 3);
  uint64_t follower = leader % 3 + 1;
  WAIT(rft_engine_read_wait(app_engine(follower), 10000, NULL, NULL) == RFT_OK);
  WAIT(handed_over(ids, 3, follower));

  the_leader_falls_silent(follower, ids, &extra);

  /* A newcomer is a learner first, and is installed from a snapshot in chunks of 1 KiB. */
  leader = leader_of(ids, 3);
  app_reset(4);
  CHECK(app_open(4, 0, tune) == RFT_OK);
  change(ids, 3, 4, RFT_CHANGE_ADD_LEARNER, "host-d");
  const uint64_t four[] = {1, 2, 3, 4};
  WAIT(equal(four, 4));
  WAIT(flags_of(4, 4) == RFT_MEMBER_LEARNER && flags_of(leader, 4) == RFT_MEMBER_LEARNER);
  CHECK(apps[4].restores >= 1);
  change(ids, 3, 4, RFT_CHANGE_ADD_VOTER, "host-d");
  WAIT(flags_of(4, 4) == RFT_MEMBER_VOTER && apps[4].memberships > 0);

  /* One leaves. All stop, and three come back with everything. */
  leader = leader_of(ids, 3);
  uint64_t gone = leader == 1 ? 2 : 1;
  uint64_t left[3];
  size_t n = 0;
  for (size_t at = 0; at < 4; at++) {
    if (four[at] != gone) {
      left[n++] = four[at];
    }
  }
  change(left, 3, gone, RFT_CHANGE_REMOVE, "");
  app_close(gone);
  extra += write_all(left, 3, 2 * WRITES, 50);
  WAIT(equal(left, 3));
  state_t before = app_state(left[0]);
  for (size_t at = 0; at < 3; at++) {
    app_close(left[at]);
    CHECK(apps[left[at]].drops == 1 && apps[left[at]].failures == 0 && apps[left[at]].trace_lines > 0);
    app_reset(left[at]);
  }
  for (size_t at = 0; at < 3; at++) {
    CHECK(app_open(left[at], 0, tune) == RFT_OK);
  }
  extra += write_all(left, 3, 2 * WRITES + 50, 1);
  WAIT(equal(left, 3));
  CHECK(app_state(left[0]).count >= before.count + 1 && app_state(left[0]).count <= 2 * WRITES + 51 + extra);
  WAIT(flags_of(left[0], gone) == 0);
  for (size_t at = 0; at < 3; at++) {
    app_close(left[at]);
  }
}
