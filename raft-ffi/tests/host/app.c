#define _POSIX_C_SOURCE 200809L
#include "app.h"

app_t apps[APPS_MAX + 1];
const char *app_dirs;

/* The switchboard: written by the main thread, read by the driver threads that send. */
static pthread_rwlock_t board_lock = PTHREAD_RWLOCK_INITIALIZER;
static rft_engine_t *board[APPS_MAX + 1];
static int cut[APPS_MAX + 1];

static void on_drop(void *user)
{
  app_t *app = user;
  pthread_mutex_lock(&app->lock);
  app->drops++;
  pthread_mutex_unlock(&app->lock);
}

static void on_send(void *user, const rft_message_t *messages, size_t n)
{
  app_t *app = user;
  pthread_rwlock_rdlock(&board_lock);
  for (size_t at = 0; at < n; at++) {
    const rft_message_t *message = &messages[at];
    CHECK(message->len > 0 && message->to != app->id && message->reserved == 0);
    if (message->to <= APPS_MAX && board[message->to] != NULL && !cut[message->to] && !cut[app->id]) {
      (void)rft_engine_step(board[message->to], message->data, message->len, NULL);
    }
  }
  pthread_rwlock_unlock(&board_lock);
}

/* What waits must not be called here; what does not wait may. */
static void misuse(app_t *app)
{
  rft_engine_t *engine = board[app->id];
  rft_outcome_t outcome;
  rft_node_status_t status;
  const rft_change_t change = {9, RFT_CHANGE_UPDATE, 0};
  CHECK(rft_engine_propose_wait(engine, (const uint8_t *)"x", 1, 1000, &outcome, NULL) == RFT_E_REENTRANT);
  CHECK(rft_engine_read_wait(engine, 1000, &outcome, NULL) == RFT_E_REENTRANT);
  CHECK(rft_engine_change_wait(engine, &change, 1, RFT_TRANSITION_AUTO, NULL, 0, 1000, &outcome, NULL) ==
        RFT_E_REENTRANT);
  CHECK(rft_engine_snapshot_wait(engine, 1000, &outcome, NULL) == RFT_E_REENTRANT);
  CHECK(rft_engine_transfer_leader_wait(engine, 2, 1000, &outcome, NULL) == RFT_E_REENTRANT);
  CHECK(rft_engine_replace_wait(engine, 1, 9, NULL, 0, 1000, &outcome, NULL) == RFT_E_REENTRANT);
  CHECK(rft_engine_stop(engine, 1000, NULL) == RFT_E_REENTRANT);
  rft_engine_free(engine); /* nothing but a line in the log */
  CHECK(rft_engine_status(engine, &status, NULL) == RFT_OK);
  CHECK(rft_engine_read(engine, 0, NULL) == RFT_OK);
  app->misused++;
}

static rft_status_t on_apply(void *user, const rft_entry_t *entries, size_t n)
{
  app_t *app = user;
  int misuses;
  pthread_mutex_lock(&app->lock);
  CHECK(n > 0);
  for (size_t at = 0; at < n; at++) {
    CHECK(entries[at].request < REQUESTS_MAX);
    app->seen[entries[at].request]++;
    uint8_t answer[8];
    for (unsigned byte = 0; byte < 8; byte++) {
      answer[byte] = (uint8_t)(entries[at].index >> 8 * byte);
    }
    CHECK(rft_answer_set(entries[at].answer, answer, sizeof answer, NULL) == RFT_OK);
    if (entries[at].type == RFT_ENTRY_CONF_CHANGE) {
      CHECK(entries[at].len < sizeof app->context);
      memset(app->context, 0, sizeof app->context);
      if (entries[at].len > 0) {
        memcpy(app->context, entries[at].data, entries[at].len);
      }
    }
  }
  state_apply(&app->state, entries, n);
  rft_status_t answer = app->apply_answers;
  misuses = app->misuse == 1;
  app->misuse = 0;
  pthread_mutex_unlock(&app->lock);
  if (misuses) {
    misuse(app);
  }
  return answer;
}

static rft_status_t on_save(void *user, rft_snapshot_writer_t *writer)
{
  app_t *app = user;
  uint8_t bytes[STATE_BYTES], filler[1000];
  pthread_mutex_lock(&app->lock);
  app->saves++;
  state_save(&app->state, bytes);
  size_t padding = app->padding;
  rft_status_t answer = app->save_answers;
  pthread_mutex_unlock(&app->lock);
  memset(filler, 0x5a, sizeof filler);
  rft_status_t status = rft_snapshot_write(writer, bytes, STATE_BYTES, NULL);
  while (status == RFT_OK && padding > 0) {
    size_t len = padding < sizeof filler ? padding : sizeof filler;
    status = rft_snapshot_write(writer, filler, len, NULL);
    padding -= len;
  }
  CHECK(rft_snapshot_write(writer, NULL, 0, NULL) == RFT_OK || status != RFT_OK);
  CHECK(rft_snapshot_write(writer, NULL, 1, NULL) == RFT_E_INVALID_ARG);
  return status != RFT_OK ? status : answer;
}

static rft_status_t on_view(void *user, void **view)
{
  app_t *app = user;
  pthread_mutex_lock(&app->lock);
  if (app->views) {
    uint8_t *bytes = malloc(STATE_BYTES);
    CHECK(bytes != NULL && *view == NULL);
    state_save(&app->state, bytes);
    *view = bytes;
  }
  pthread_mutex_unlock(&app->lock);
  return RFT_OK;
}

static rft_status_t on_view_save(void *user, void *view, rft_snapshot_writer_t *writer)
{
  app_t *app = user;
  rft_outcome_t outcome;
  CHECK(rft_engine_read_wait(board[app->id], 1000, &outcome, NULL) == RFT_E_REENTRANT);
  pthread_mutex_lock(&app->lock);
  app->view_saves++;
  pthread_mutex_unlock(&app->lock);
  return rft_snapshot_write(writer, view, STATE_BYTES, NULL);
}

static void on_view_drop(void *user, void *view)
{
  app_t *app = user;
  pthread_mutex_lock(&app->lock);
  app->view_drops++;
  pthread_mutex_unlock(&app->lock);
  free(view);
}

static rft_status_t on_restore(void *user, rft_snapshot_reader_t *reader)
{
  app_t *app = user;
  uint8_t state[STATE_BYTES], bytes[777];
  size_t have = 0, len;
  uint64_t total = 0;
  for (;;) {
    rft_status_t status = rft_snapshot_read(reader, bytes, sizeof bytes, &len, NULL);
    if (status != RFT_OK) {
      return status;
    }
    if (len == 0) {
      break;
    }
    for (size_t at = 0; at < len; at++) {
      if (have < STATE_BYTES) {
        state[have++] = bytes[at];
      } else {
        CHECK(bytes[at] == 0x5a);
      }
    }
    total += len;
  }
  CHECK(total == rft_snapshot_len(reader));
  CHECK(rft_snapshot_read(reader, NULL, 1, &len, NULL) == RFT_E_INVALID_ARG);
  CHECK(rft_snapshot_read(reader, bytes, 0, &len, NULL) == RFT_E_INVALID_ARG);
  CHECK(rft_snapshot_read(reader, bytes, 1, NULL, NULL) == RFT_E_INVALID_ARG);
  pthread_mutex_lock(&app->lock);
  state_restore(&app->state, state, have);
  app->restores++;
  pthread_mutex_unlock(&app->lock);
  return RFT_OK;
}

static void on_outcome(void *user, const rft_outcome_t *outcomes, size_t n)
{
  app_t *app = user;
  pthread_mutex_lock(&app->lock);
  CHECK(n > 0);
  for (size_t at = 0; at < n; at++) {
    CHECK(outcomes[at].request > 0 && outcomes[at].request < REQUESTS_MAX);
    /* What apply has seen is decided behind that apply; a snapshot or a read may stand at an entry it never sees. */
    CHECK(outcomes[at].status != RFT_OK || app->seen[outcomes[at].request] == 0 ||
          outcomes[at].index <= app->state.index);
    app->outcomes[outcomes[at].request]++;
    app->last[outcomes[at].request] = outcomes[at];
  }
  pthread_mutex_unlock(&app->lock);
}

static void on_event(void *user, const rft_event_t *event)
{
  app_t *app = user;
  pthread_mutex_lock(&app->lock);
  CHECK((event->text == NULL) == (event->text_len == 0));
  CHECK(event->text == NULL || strlen(event->text) == event->text_len);
  switch (event->kind) {
  case RFT_EVENT_ROLE: app->roles++; break;
  case RFT_EVENT_MEMBERSHIP: app->memberships++; break;
  case RFT_EVENT_SNAPSHOT_SAVED: app->saved_events++; break;
  case RFT_EVENT_RECOVERED: app->recoveries++; break;
  case RFT_EVENT_FAILED:
    app->failures++;
    app->failure = event->status;
    snprintf(app->failure_text, sizeof app->failure_text, "%s", event->text);
    break;
  default: break;
  }
  pthread_mutex_unlock(&app->lock);
}

static void on_log(void *user, int32_t level, const char *text, size_t len)
{
  app_t *app = user;
  CHECK(level >= RFT_LOG_ERROR && level <= RFT_LOG_TRACE && strlen(text) == len);
  if (level == RFT_LOG_TRACE) {
    CHECK(strncmp(text, "{\"tag\":\"trace\",", 15) == 0 && text[len - 1] == '}');
    pthread_mutex_lock(&app->lock);
    app->trace_lines++;
    pthread_mutex_unlock(&app->lock);
  }
  if (strstr(text, "rft_engine_free") != NULL) {
    pthread_mutex_lock(&app->lock);
    app->free_lines++;
    pthread_mutex_unlock(&app->lock);
  }
  if (strstr(text, "past the system's cache") != NULL) {
    pthread_mutex_lock(&app->lock);
    app->cached_lines++;
    pthread_mutex_unlock(&app->lock);
  }
}

rft_host_t app_host(app_t *app)
{
  rft_host_t host = {sizeof host, app,        on_drop,    on_send,  on_apply,
                     on_save,     on_restore, on_outcome, on_event, on_log,
                     on_view,     on_view_save, on_view_drop};
  return host;
}

void app_reset(uint64_t id)
{
  app_t *app = &apps[id];
  memset(app, 0, sizeof *app);
  app->id = id;
  CHECK(pthread_mutex_init(&app->lock, NULL) == 0);
}

rft_status_t app_open(uint64_t id, uint64_t voters, void (*tune)(rft_config_t *))
{
  char name[32];
  snprintf(name, sizeof name, "%s-%u", app_dirs, (unsigned)id);
  const char *dir = below(name);
  rft_config_t *config = config_of(id, voters);
  OK(rft_config_set(config, RFT_CONFIG_TICK_INTERVAL_MS, TICK_MS, ERR));
  if (tune != NULL) {
    tune(config);
  }
  rft_host_t host = app_host(&apps[id]);
  rft_engine_t *engine = NULL;
  rft_status_t status = rft_engine_open(config, dir, strlen(dir), &host, &engine, NULL);
  rft_config_free(config);
  pthread_rwlock_wrlock(&board_lock);
  board[id] = engine;
  cut[id] = 0;
  pthread_rwlock_unlock(&board_lock);
  return status;
}

void app_close(uint64_t id)
{
  pthread_rwlock_wrlock(&board_lock);
  rft_engine_t *engine = board[id];
  board[id] = NULL;
  pthread_rwlock_unlock(&board_lock);
  rft_engine_free(engine);
}

rft_engine_t *app_engine(uint64_t id)
{
  return board[id];
}

void app_connect(uint64_t id, int connected)
{
  pthread_rwlock_wrlock(&board_lock);
  cut[id] = !connected;
  pthread_rwlock_unlock(&board_lock);
}

state_t app_state(uint64_t id)
{
  pthread_mutex_lock(&apps[id].lock);
  state_t state = apps[id].state;
  pthread_mutex_unlock(&apps[id].lock);
  return state;
}
