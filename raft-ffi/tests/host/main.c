/* The host test: a C99 program that knows rft.h and nothing else of the library. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <time.h>

rft_error_t *last_error;
const char *full_dir, *read_only_dir;
static const char *base;

void check(int holds, const char *what, const char *file, int line)
{
  if (!holds) {
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    exit(1);
  }
}

void expect(rft_status_t want, rft_status_t got, const char *what, const char *file, int line)
{
  rft_error_t *error = last_error;
  last_error = NULL;
  if (want != got) {
    fprintf(stderr, "%s:%d: %s gives %s (%s), not %s\n", file, line, what, rft_status_name(got),
            rft_error_message(error), rft_status_name(want));
    exit(1);
  }
  /* An error object comes with every failure that had a place for one, and with no success. */
  check((error != NULL) == (got != RFT_OK), what, file, line);
  if (error != NULL) {
    check(rft_error_code(error) == got, what, file, line);
    check(strlen(rft_error_message(error)) > 5, what, file, line);
    rft_error_free(error);
  }
}

const char *below(const char *name)
{
  static char paths[4][512];
  static unsigned next;
  char *path = paths[next++ % 4];
  int len = snprintf(path, sizeof paths[0], "%s/%s", base, name);
  CHECK(len > 0 && (size_t)len < sizeof paths[0]);
  return path;
}

uint64_t now_ms(void)
{
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms)
{
  struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

uint64_t number_in(const uint8_t *answer)
{
  uint64_t number = 0;
  for (unsigned byte = 8; byte-- > 0;) {
    number = number << 8 | answer[byte];
  }
  return number;
}

void state_apply(state_t *state, const rft_entry_t *entries, size_t n)
{
  for (size_t at = 0; at < n; at++) {
    const rft_entry_t *entry = &entries[at];
    CHECK(entry->index > state->index);
    CHECK(entry->data != NULL || entry->len == 0);
    state->index = entry->index;
    if (entry->type != RFT_ENTRY_NORMAL || entry->len == 0) {
      continue;
    }
    for (size_t byte = 0; byte < entry->len; byte++) {
      state->hash = (state->hash ^ entry->data[byte]) * UINT64_C(0x100000001b3);
    }
    state->count++;
  }
}

void state_save(const state_t *state, uint8_t *out)
{
  const uint64_t words[3] = {state->hash, state->count, state->index};
  memcpy(out, words, STATE_BYTES);
}

void state_restore(state_t *state, const uint8_t *data, size_t len)
{
  uint64_t words[3];
  CHECK(len == STATE_BYTES);
  memcpy(words, data, STATE_BYTES);
  state->hash = words[0];
  state->count = words[1];
  state->index = words[2];
}

rft_config_t *config_of(uint64_t id, uint64_t voters)
{
  rft_config_t *config = rft_config_new();
  CHECK(config != NULL);
  OK(rft_config_set(config, RFT_CONFIG_ID, id, ERR));
  /* Small segments: the tests open many directories. */
  OK(rft_config_set(config, RFT_CONFIG_SEGMENT_BYTES, 65536, ERR));
  for (uint64_t voter = 1; voter <= voters; voter++) {
    OK(rft_config_add_voter(config, voter, ERR));
  }
  return config;
}

static void part(const char *name, void (*run)(void))
{
  uint64_t start = now_ms();
  run();
  CHECK(last_error == NULL);
  printf("%s: ok (%u ms)\n", name, (unsigned)(now_ms() - start));
  fflush(stdout);
}

int main(int argc, char **argv)
{
  CHECK(argc == 4); /* a directory; one on a disk that is full, and one that cannot be written, or "" */
  base = argv[1];
  full_dir = argv[2];
  read_only_dir = argv[3];
  CHECK(rft_check_version() == RFT_OK);
  CHECK(strcmp(rft_version_string(), RFT_VERSION_STRING) == 0);
  part("null arguments", test_null_arguments);
  part("bad input", test_bad_input);
  part("node", test_node);
  part("node with store", test_node_with_store);
  part("bad disk", test_bad_disk);
  part("engine", test_engine);
  part("fork", test_fork);
  part("threads", test_threads);
  part("cluster", test_cluster);
  puts("host: ok");
  return 0;
}
