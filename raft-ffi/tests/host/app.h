/* A host of engines: a state machine, a switchboard in place of a network, and counters. */
#ifndef APP_H
#define APP_H

#include "check.h"

#include <pthread.h>

#define APPS_MAX 5
#define REQUESTS_MAX 4096

typedef struct {
  uint64_t id;
  pthread_mutex_t lock;                 /* guards all below */
  state_t state;
  unsigned outcomes[REQUESTS_MAX];      /* how many came for each request */
  rft_outcome_t last[REQUESTS_MAX];     /* the last of them */
  unsigned seen[REQUESTS_MAX];          /* how often apply saw the request */
  unsigned drops, saves, restores, failures, recoveries, roles, memberships, saved_events;
  rft_status_t failure;
  char failure_text[256];
  char context[32];                     /* of the last membership change */
  size_t padding;                       /* bytes that a snapshot carries beside the state */
  rft_status_t apply_answers;
  rft_status_t save_answers;
  unsigned views;                       /* 1: hands out a view of the state */
  unsigned view_saves, view_drops;
  unsigned misuse;                      /* 1: try from inside of callbacks what is not allowed there */
  unsigned misused;                     /* how often that was tried */
  unsigned free_lines;                  /* log lines about rft_engine_free */
  unsigned trace_lines;
  unsigned cached_lines;                /* log lines that say that the log cannot be written past the cache */
} app_t;

extern app_t apps[APPS_MAX + 1];
extern const char *app_dirs; /* what the names of their directories begin with */

/* Opens the engine of `id` in its directory; `tune` may be NULL. */
rft_status_t app_open(uint64_t id, uint64_t voters, void (*tune)(rft_config_t *));
/* Takes the engine off the switchboard and frees it. */
void app_close(uint64_t id);
/* The engine of `id`: to be used by the main thread only. */
rft_engine_t *app_engine(uint64_t id);
/* Lets messages between `id` and the others pass, or not. */
void app_connect(uint64_t id, int connected);
rft_host_t app_host(app_t *app);
void app_reset(uint64_t id);
state_t app_state(uint64_t id);

/* Waits, 60 seconds at the most, until `condition` holds. */
#define WAIT(condition)                                  \
  do {                                                   \
    uint64_t until_ = now_ms() + WAIT_MS;                \
    while (!(condition)) {                               \
      CHECK(now_ms() < until_ && "waited for: " #condition); \
      sleep_ms(1);                                       \
    }                                                    \
  } while (0)
#define WAIT_MS 60000

#endif
