/* Several threads at once: on a node, which lets one in and answers the others, and on an engine, which takes all. */
#define _POSIX_C_SOURCE 200809L
#include "app.h"

#define THREADS 4
#define CALLS 300 /* of each thread, each a batch of two */

typedef struct {
  unsigned number;
  rft_node_t *node;
  unsigned taken;
} worker_t;

static void *propose_to_node(void *argument)
{
  worker_t *worker = argument;
  rft_node_status_t status;
  const rft_bytes_t payload = {(const uint8_t *)"x", 1};
  for (unsigned at = 0; at < LESS(20000); at++) {
    rft_status_t first = rft_node_propose(worker->node, &payload, 1, NULL, NULL);
    rft_status_t second = rft_node_status(worker->node, &status, NULL);
    CHECK(first == RFT_OK || first == RFT_E_BUSY);
    CHECK(second == RFT_E_BUSY || (second == RFT_OK && status.id == 1));
    worker->taken += first == RFT_OK;
  }
  return NULL;
}

static void *propose_much(void *argument)
{
  worker_t *worker = argument;
  rft_node_status_t status;
  rft_member_t member;
  size_t n;
  for (unsigned at = 0; at < CALLS; at++) {
    uint64_t request = 1 + (worker->number * CALLS + at) * 2;
    char text[24];
    size_t len = (size_t)snprintf(text, sizeof text, "thread %u", worker->number);
    rft_proposal_t proposals[2] = {{(const uint8_t *)text, len, request}, {(const uint8_t *)text, len, request + 1}};
    rft_status_t taken;
    while ((taken = rft_engine_propose(app_engine(1), proposals, 2, NULL)) == RFT_E_BUSY) {
      sleep_ms(1);
    }
    CHECK(taken == RFT_OK);
    CHECK(rft_engine_status(app_engine(1), &status, NULL) == RFT_OK && status.id == 1);
    CHECK(rft_engine_members(app_engine(1), &member, 1, &n, NULL) == RFT_OK && n == 1);
  }
  return NULL;
}

static void run_all(worker_t *workers, void *(*body)(void *))
{
  pthread_t threads[THREADS];
  for (unsigned at = 0; at < THREADS; at++) {
    workers[at].number = at;
    CHECK(pthread_create(&threads[at], NULL, body, &workers[at]) == 0);
  }
  for (unsigned at = 0; at < THREADS; at++) {
    CHECK(pthread_join(threads[at], NULL) == 0);
  }
}

static void a_node_lets_one_in(void)
{
  worker_t workers[THREADS];
  memset(workers, 0, sizeof workers);
  rft_config_t *config = config_of(1, 1);
  rft_node_t *node = NULL;
  rft_ready_t ready;
  rft_node_status_t before, after;
  OK(rft_node_create(config, NULL, &node, ERR));
  rft_config_free(config);
  OK(rft_node_campaign(node, ERR));
  while (rft_node_has_ready(node)) {
    OK(rft_node_ready(node, &ready, ERR));
    OK(rft_node_advance(node, ERR));
  }
  OK(rft_node_status(node, &before, ERR));
  for (unsigned at = 0; at < THREADS; at++) {
    workers[at].node = node;
  }
  run_all(workers, propose_to_node);
  OK(rft_node_status(node, &after, ERR)); /* it is free again, and holds what was taken and nothing else */
  unsigned taken = 0;
  for (unsigned at = 0; at < THREADS; at++) {
    taken += workers[at].taken;
  }
  CHECK(before.role == RFT_ROLE_LEADER && taken > 0 && after.last_index == before.last_index + taken);
  rft_node_free(node);
}

static unsigned answered(void)
{
  unsigned count = 0;
  pthread_mutex_lock(&apps[1].lock);
  for (unsigned request = 1; request <= THREADS * CALLS * 2; request++) {
    CHECK(apps[1].outcomes[request] <= 1);
    CHECK(apps[1].outcomes[request] == 0 || apps[1].last[request].status == RFT_OK);
    count += apps[1].outcomes[request];
  }
  pthread_mutex_unlock(&apps[1].lock);
  return count;
}

static void an_engine_takes_all(void)
{
  worker_t workers[THREADS];
  memset(workers, 0, sizeof workers);
  app_dirs = "threads";
  app_reset(1);
  CHECK(app_open(1, 1, NULL) == RFT_OK);
  OK(rft_engine_campaign(app_engine(1), ERR));
  WAIT(rft_engine_read_wait(app_engine(1), 1000, NULL, NULL) == RFT_OK);
  run_all(workers, propose_much);
  WAIT(answered() == THREADS * CALLS * 2);
  /* A batch stays together. */
  for (unsigned request = 1; request <= THREADS * CALLS * 2; request += 2) {
    CHECK(apps[1].last[request + 1].index == apps[1].last[request].index + 1);
  }
  CHECK(app_state(1).count == THREADS * CALLS * 2);
  app_close(1);
}

void test_threads(void)
{
  a_node_lets_one_in();
  an_engine_takes_all();
}
