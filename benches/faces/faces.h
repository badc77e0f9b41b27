/* What hosts in C and C++ measure alike. */
#ifndef FACES_H
#define FACES_H

#ifdef __cplusplus
extern "C" {
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The same work by calls of Rust: src/lib.rs. */
void faces_empty(void);
void faces_keep_memory(void);
uint64_t faces_node_propose(uint32_t calls, uint32_t batch, uint32_t len);
uint64_t faces_engine_propose(const char *dir, uint32_t calls, uint32_t batch, uint32_t len);
void faces_engine_end(void);
void faces_fill(const char *dir, uint64_t n, uint32_t len);
uint64_t faces_replay(const char *dir, uint64_t n, uint64_t apply_bytes_max);
uint64_t faces_round_trips(const char *dir, uint32_t rounds, uint32_t batch, uint32_t len);

enum { ROUNDS = 201, CALLS = 1024, PATIENCE_S = 60, SNAPSHOT_ENTRIES = 4096 };

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline uint64_t thread_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* All threads together. */
static inline uint64_t process_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline uint64_t wall_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

static inline void nap(void) {
    const struct timespec time = {0, 50000};
    nanosleep(&time, NULL);
}

static inline void demand(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static int by_value(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static inline double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

/* A face that costs nothing that can be measured still is a number above zero. */
static inline void print_over(double face, double rust) {
    const double over = face - rust;
    fprintf(stderr, "face %.1f ns, Rust %.1f ns\n", face, rust);
    printf("{\"value\": %.3f}\n", over > 0.1 ? over : 0.1);
}

static inline void print_value(double value) {
    printf("{\"value\": %.3f}\n", value);
}

#ifdef __cplusplus
}
#endif
#endif
