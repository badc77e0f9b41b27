/* What the parts of the host test share: checks that end the program with a line, and a state machine to compare. */
#ifndef CHECK_H
#define CHECK_H

#include <rft.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under valgrind a program runs thirty times slower: the clock has to wait for it, and there is less to do. */
#ifdef SLOW
#define TICK_MS 150
#define LESS(number) ((number) / 10)
#else
#define TICK_MS 20
#define LESS(number) (number)
#endif

/* Every fallible call of the tests gets this place for its error object; expect() looks at it and frees it. */
extern rft_error_t *last_error;
#define ERR (&last_error)

/* Ends the program unless `condition` holds. */
#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)
/* Makes a call, with ERR as its last argument, that has to give `want`. */
#define GIVES(want, call) expect((want), (call), #call, __FILE__, __LINE__)
#define OK(call) GIVES(RFT_OK, call)

void check(int holds, const char *what, const char *file, int line);
void expect(rft_status_t want, rft_status_t got, const char *what, const char *file, int line);

/* A directory on a disk that is full, and one that cannot be written; "" where this machine has none. */
extern const char *full_dir, *read_only_dir;
/* A path below the directory of this run; the result lives until the next call but three. */
const char *below(const char *name);
/* Milliseconds of a clock that only goes forward. */
uint64_t now_ms(void);
void sleep_ms(unsigned ms);

/* A state machine that remembers what it saw as one number. */
typedef struct {
  uint64_t hash;
  uint64_t count;
  uint64_t index;
} state_t;

void state_apply(state_t *state, const rft_entry_t *entries, size_t n);
/* Its snapshot: always STATE_BYTES. */
#define STATE_BYTES 24
void state_save(const state_t *state, uint8_t *out);
void state_restore(state_t *state, const uint8_t *data, size_t len);

/* The little-endian number that apply answers: the entry's index. */
uint64_t number_in(const uint8_t *answer);

/* A configuration of node `id` with the voters 1 to `voters`. */
rft_config_t *config_of(uint64_t id, uint64_t voters);

/* The parts. */
void test_node(void);
void test_node_with_store(void);
void test_bad_input(void);
void test_null_arguments(void);
void test_bad_disk(void);
void test_engine(void);
void test_fork(void);
void test_cluster(void);
void test_threads(void);

#endif
