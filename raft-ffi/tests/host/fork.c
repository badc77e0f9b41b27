/* What a process that was forked off can do with the engine of the other one, which is nothing, and with its own. */
#define _POSIX_C_SOURCE 200809L
#include "app.h"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SLOW
#define ROUNDS 2
#else
#define ROUNDS 8
#endif

static const uint8_t byte = 'x';

/* Threads that wait for outcomes, so that the process splits while their locks have somebody in them. */
#define WAITERS 20
static pthread_t waiters[WAITERS];
static unsigned waited; /* guarded by the app's lock */
static int ended;       /* likewise */

static void *wait_for_outcomes(void *engine)
{
  for (int goes_on = 1; goes_on;) {
    CHECK(rft_engine_propose_wait(engine, &byte, 1, 60000, NULL, NULL) == RFT_OK);
    pthread_mutex_lock(&apps[1].lock);
    waited++;
    goes_on = !ended;
    pthread_mutex_unlock(&apps[1].lock);
  }
  return NULL;
}

static void begin_waiting(void)
{
  waited = 0;
  ended = 0;
  for (unsigned at = 0; at < WAITERS; at++) {
    CHECK(pthread_create(&waiters[at], NULL, wait_for_outcomes, app_engine(1)) == 0);
  }
}

static void end_waiting(void)
{
  WAIT(waited > 2 * WAITERS);
  pthread_mutex_lock(&apps[1].lock);
  ended = 1;
  pthread_mutex_unlock(&apps[1].lock);
  for (unsigned at = 0; at < WAITERS; at++) {
    CHECK(pthread_join(waiters[at], NULL) == 0);
  }
}

static void lead(void)
{
  OK(rft_engine_campaign(app_engine(1), ERR));
  WAIT(rft_engine_read_wait(app_engine(1), 1000, NULL, NULL) == RFT_OK);
}

static void the_engine_is_elsewhere(rft_engine_t *engine)
{
  const rft_proposal_t proposal = {&byte, 1, 2};
  const rft_change_t change = {1, RFT_CHANGE_UPDATE, 0};
  rft_node_status_t status;
  rft_member_t member;
  size_t n;
  uint64_t count;
  uint8_t text[16];
  GIVES(RFT_E_STOPPED, rft_engine_propose(engine, &proposal, 1, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_propose_wait(engine, &byte, 1, 60000, NULL, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_read(engine, 2, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_read_wait(engine, 60000, NULL, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_read_within_wait(engine, 60000, 60000, NULL, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_change(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 2, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_snapshot(engine, 2, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_snapshot_wait(engine, 60000, NULL, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_transfer_leader(engine, 1, 0, ERR));
  rft_error_t *error = NULL;
  CHECK(rft_engine_campaign(engine, &error) == RFT_E_STOPPED);
  CHECK(strstr(rft_error_message(error), "forked child") != NULL);
  rft_error_free(error);
  GIVES(RFT_E_STOPPED, rft_engine_step(engine, &byte, 1, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_status(engine, &status, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_members(engine, &member, 1, &n, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_counter(engine, RFT_COUNTER_READS, &count, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_metrics(engine, text, sizeof text, &n, ERR));
  GIVES(RFT_E_STOPPED, rft_engine_stop(engine, 60000, ERR));
  rft_engine_free(engine);
}

static void in_child(unsigned round)
{
  the_engine_is_elsewhere(app_engine(1));
  CHECK(apps[1].drops == 0);
  app_reset(1); /* no thread of the other engine is here to miss it */
  char dirs[32];
  snprintf(dirs, sizeof dirs, "fork-child-%u", round);
  app_dirs = dirs;
  CHECK(app_open(1, 1, NULL) == RFT_OK);
  lead();
  begin_waiting();
  end_waiting();
  OK(rft_engine_stop(app_engine(1), 60000, ERR));
  app_close(1);
  CHECK(apps[1].drops == 1 && apps[1].state.count > WAITERS);
  app_dirs = "fork";
}

void test_fork(void)
{
#ifdef __SANITIZE_ADDRESS__
  return; /* its allocator, unlike the system's, keeps a lock in the child that a thread held at the fork */
#endif
  app_dirs = "fork";
  app_reset(1);
  CHECK(app_open(1, 1, NULL) == RFT_OK);
  lead();
  begin_waiting();
  for (unsigned round = 0; round < ROUNDS; round++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      in_child(round);
      /* What it had of the other engine counts as lost otherwise. */
      execlp("true", "true", (char *)NULL);
      _exit(3);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  end_waiting();
  OK(rft_engine_stop(app_engine(1), 60000, ERR));
  app_close(1);
  CHECK(apps[1].drops == 1);
}
