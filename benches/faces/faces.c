/* What calls cost a host in C. Usage: faces-c WHAT [BATCH [LEN]], with a folder to work in as FACES_DIR. */
#define _POSIX_C_SOURCE 200809L
#include "faces.h"

#include <rft.h>
#include <sched.h>
#include <stdatomic.h>

static const char *dir;
static uint8_t payload[65536];

static void must(rft_status_t status, rft_error_t *error) {
    if (status != RFT_OK) {
        fprintf(stderr, "%s\n", error ? rft_error_message(error) : rft_status_str(status));
        exit(1);
    }
}

static rft_config_t *config_of_one(uint64_t snapshot_entries, uint64_t apply_bytes_max) {
    rft_error_t *error = NULL;
    rft_config_t *config = rft_config_new();
    must(rft_config_set(config, RFT_CONFIG_ID, 1, &error), error);
    must(rft_config_add_voter(config, 1, &error), error);
    must(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, snapshot_entries, &error), error);
    must(rft_config_set(config, RFT_CONFIG_SNAPSHOT_TRAILING, 0, &error), error);
    must(rft_config_set(config, RFT_CONFIG_APPLY_BYTES_MAX, apply_bytes_max, &error), error);
    must(rft_config_set(config, RFT_CONFIG_TICK_INTERVAL_MS, 10, &error), error);
    return config;
}

/* ---- the node layer ---- */

static rft_node_t *node;
static uint64_t compacted = 1;

static void settle(void) {
    rft_error_t *error = NULL;
    while (rft_node_has_ready(node)) {
        rft_ready_t ready;
        must(rft_node_ready(node, &ready, &error), error);
        must(rft_node_advance(node, &error), error);
    }
    rft_node_status_t status;
    must(rft_node_status(node, &status, &error), error);
    if (status.applied - compacted >= 1024) {
        must(rft_node_snapshot(node, NULL, status.applied, (const uint8_t *)"s", 1, &error), error);
        compacted = status.applied;
    }
}

static void open_node(void) {
    rft_error_t *error = NULL;
    rft_config_t *config = config_of_one(0, 1 << 20);
    must(rft_node_create(config, NULL, &node, &error), error);
    rft_config_free(config);
    must(rft_node_campaign(node, &error), error);
    settle();
}

static uint64_t node_propose(uint32_t calls, uint32_t batch, uint32_t len) {
    rft_bytes_t *list = calloc(batch, sizeof *list);
    for (uint32_t at = 0; at < batch; at++) {
        list[at] = (rft_bytes_t){payload + at % 16 * 256, len};
    }
    rft_error_t *error = NULL;
    const uint64_t begun = thread_ns();
    for (uint32_t call = 0; call < calls; call++) {
        uint64_t index;
        must(rft_node_propose(node, list, batch, &index, &error), error);
    }
    const uint64_t took = thread_ns() - begun;
    free(list);
    settle();
    return took;
}

/* ---- the engine ---- */

static rft_engine_t *engine;
static atomic_uint_fast64_t applied, outcomes, seen_bytes;
static uint64_t first_ns, last_ns;

static rft_status_t apply(void *user, const rft_entry_t *entries, size_t n) {
    (void)user;
    if (first_ns == 0) {
        first_ns = wall_ns();
    }
    uint64_t bytes = 0;
    for (size_t at = 0; at < n; at++) {
        bytes += entries[at].len;
    }
    atomic_fetch_add_explicit(&seen_bytes, bytes, memory_order_relaxed);
    last_ns = wall_ns();
    atomic_fetch_add_explicit(&applied, n, memory_order_release);
    return RFT_OK;
}

static void outcome(void *user, const rft_outcome_t *list, size_t n) {
    (void)user;
    (void)list;
    atomic_fetch_add_explicit(&outcomes, n, memory_order_release);
}

static rft_status_t save(void *user, rft_snapshot_writer_t *writer) {
    (void)user;
    (void)writer;
    return RFT_OK;
}

static rft_status_t restore(void *user, rft_snapshot_reader_t *reader) {
    (void)user;
    (void)reader;
    return RFT_OK;
}

static void wait_applied(uint64_t target) {
    const uint64_t begun = wall_ns();
    while (atomic_load_explicit(&applied, memory_order_acquire) < target) {
        demand(wall_ns() - begun < PATIENCE_S * 1000000000ull, "the engine stands still");
        nap();
    }
}

static void open_engine(const char *at, uint64_t snapshot_entries, uint64_t apply_bytes_max) {
    rft_error_t *error = NULL;
    rft_config_t *config = config_of_one(snapshot_entries, apply_bytes_max);
    rft_host_t host = {0};
    host.size = sizeof host;
    host.apply = apply;
    host.outcome = outcome;
    host.snapshot_save = save;
    host.snapshot_restore = restore;
    must(rft_engine_open(config, at, strlen(at), &host, &engine, &error), error);
    rft_config_free(config);
    must(rft_engine_campaign(engine, &error), error);
    rft_node_status_t status = {0};
    for (const uint64_t begun = wall_ns(); status.leader != 1; nap()) {
        demand(wall_ns() - begun < PATIENCE_S * 1000000000ull, "nobody leads");
        must(rft_engine_status(engine, &status, &error), error);
    }
}

static rft_proposal_t *proposals_of(uint32_t batch, uint32_t len) {
    rft_proposal_t *list = calloc(batch, sizeof *list);
    for (uint32_t at = 0; at < batch; at++) {
        list[at] = (rft_proposal_t){payload + at % 16 * 256, len, 0};
    }
    return list;
}

/* Into the queue. What the engine then does is waited for, and not counted. */
static uint64_t engine_propose(uint32_t calls, uint32_t batch, uint32_t len, int with_outcomes) {
    rft_error_t *error = NULL;
    rft_proposal_t *list = proposals_of(batch, len);
    const uint64_t target = atomic_load(&applied) + (uint64_t)calls * batch;
    const uint64_t told = atomic_load(&outcomes) + (with_outcomes ? (uint64_t)calls * batch : 0);
    const uint64_t begun = thread_ns();
    for (uint32_t call = 0; call < calls; call++) {
        for (uint32_t at = 0; with_outcomes && at < batch; at++) {
            list[at].request = 1 + (uint64_t)call * batch + at;
        }
        must(rft_engine_propose(engine, list, batch, &error), error);
    }
    const uint64_t took = thread_ns() - begun;
    free(list);
    wait_applied(target);
    while (atomic_load_explicit(&outcomes, memory_order_acquire) < told) {
        nap();
    }
    return took;
}

/* What is done for an outcome that is wanted, by all threads: processor time longer than without. */
static void print_outcome(uint32_t calls, uint32_t batch, uint32_t len) {
    double with[ROUNDS], without[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t begun = process_ns();
        engine_propose(calls, batch, len, 0);
        const uint64_t between = process_ns();
        engine_propose(calls, batch, len, 1);
        without[round] = (double)(between - begun) / calls / batch;
        with[round] = (double)(process_ns() - between) / calls / batch;
    }
    print_over(median(with, ROUNDS), median(without, ROUNDS));
}

static double round_trips(uint32_t rounds, uint32_t batch, uint32_t len) {
    rft_error_t *error = NULL;
    rft_proposal_t *list = proposals_of(batch, len);
    uint64_t number = 0;
    const uint64_t begun = wall_ns();
    for (uint32_t round = 0; round < rounds; round++) {
        const uint64_t target = atomic_load(&outcomes) + batch;
        for (uint32_t at = 0; at < batch; at++) {
            list[at].request = ++number;
        }
        must(rft_engine_propose(engine, list, batch, &error), error);
        while (atomic_load_explicit(&outcomes, memory_order_acquire) < target) {
            sched_yield();
        }
    }
    const uint64_t took = wall_ns() - begun;
    free(list);
    return (double)took / rounds / batch;
}

static double reads(uint32_t rounds, uint32_t batch) {
    rft_error_t *error = NULL;
    const uint64_t begun = wall_ns();
    for (uint32_t round = 0; round < rounds; round++) {
        const uint64_t target = atomic_load(&outcomes) + batch;
        for (uint32_t at = 0; at < batch; at++) {
            must(rft_engine_read(engine, at + 1, &error), error);
        }
        while (atomic_load_explicit(&outcomes, memory_order_acquire) < target) {
            sched_yield();
        }
    }
    return (double)(wall_ns() - begun) / rounds / batch;
}

/* ---- what is measured ---- */

static double call_ns(int library) {
    const uint32_t n = 10000000;
    const uint64_t begun = thread_ns();
    for (uint32_t at = 0; at < n; at++) {
        library ? (void)rft_version_number() : faces_empty();
    }
    return (double)(thread_ns() - begun) / n;
}

/* A payload into memory that a log keeps for a while: what no face that copies can be below. */
static double copy_ns(uint32_t batch, uint32_t len) {
    enum { CHUNK = 64 << 10, KEPT = 16 };
    uint8_t *chunks[KEPT] = {NULL};
    double values[ROUNDS];
    uint32_t at = 0, left = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t begun = thread_ns();
        for (uint32_t call = 0; call < CALLS; call++) {
            if (left < len) {
                at = (at + 1) % KEPT;
                free(chunks[at]);
                chunks[at] = malloc(CHUNK);
                left = CHUNK;
            }
            left -= len;
            memcpy(chunks[at] + left, payload + call % batch % 16 * 256, len);
            __asm__ volatile("" : : "r"(chunks[at]) : "memory");
        }
        values[round] = (double)(thread_ns() - begun) / CALLS;
    }
    for (at = 0; at < KEPT; at++) {
        free(chunks[at]);
    }
    return median(values, ROUNDS);
}

static const char *place(const char *name) {
    static char text[4096];
    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

int main(int argc, char **argv) {
    demand(argc >= 2 && (dir = getenv("FACES_DIR")) != NULL,
           "usage: FACES_DIR=... faces-c WHAT [BATCH [LEN]]");
    const char *what = argv[1];
    const uint32_t batch = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    const uint32_t len = argc > 3 ? (uint32_t)atoi(argv[3]) : 256;
    demand(batch > 0 && batch <= 4096 && len <= 4096, "the batch or the length is out of range");
    const uint32_t calls = batch == 1 ? CALLS : CALLS / 64;
    double face[ROUNDS], rust[ROUNDS];
    memset(payload, 0x55, sizeof payload);
    faces_keep_memory();

    if (!strcmp(what, "call")) {
        print_value(call_ns(1));
    } else if (!strcmp(what, "budget")) {
        print_value(batch); /* what a face may cost, as a contestant */
    } else if (!strcmp(what, "copy")) {
        print_value(copy_ns(batch, len));
    } else if (!strcmp(what, "empty")) {
        print_value(call_ns(0));
    } else if (!strcmp(what, "propose")) {
        open_node();
        for (int round = 0; round < ROUNDS; round++) {
            rust[round] = (double)faces_node_propose(calls, batch, len) / calls / batch;
            face[round] = (double)node_propose(calls, batch, len) / calls / batch;
        }
        print_over(median(face, ROUNDS), median(rust, ROUNDS));
        rft_node_free(node);
    } else if (!strcmp(what, "queue")) {
        open_engine(place("c"), SNAPSHOT_ENTRIES, 1 << 20);
        const char *beside = place("rust");
        for (int round = 0; round < ROUNDS; round++) {
            rust[round] = (double)faces_engine_propose(beside, calls, batch, len) / calls / batch;
            face[round] = (double)engine_propose(calls, batch, len, 0) / calls / batch;
        }
        print_over(median(face, ROUNDS), median(rust, ROUNDS));
        faces_engine_end();
        rft_engine_free(engine);
    } else if (!strcmp(what, "outcome")) {
        open_engine(place("c"), SNAPSHOT_ENTRIES, 1 << 20);
        print_outcome(calls, batch, len);
        rft_engine_free(engine);
    } else if (!strcmp(what, "round-trips")) {
        open_engine(place("c"), SNAPSHOT_ENTRIES, 1 << 20);
        print_value(round_trips(200000 / batch, batch, len));
        rft_engine_free(engine);
    } else if (!strcmp(what, "rust-round-trips")) {
        print_value((double)faces_round_trips(place("rust"), 200000 / batch, batch, len) / (200000 / batch) /
                    batch);
    } else if (!strcmp(what, "reads")) {
        open_engine(place("c"), SNAPSHOT_ENTRIES, 1 << 20);
        print_value(reads(200000 / batch, batch));
        rft_engine_free(engine);
    } else if (!strcmp(what, "apply") || !strcmp(what, "rust-apply")) {
        const uint64_t n = 400000, page = (uint64_t)batch * (len + 16);
        const char *at = place("log");
        faces_fill(at, n, len);
        if (what[0] == 'r') {
            print_value((double)faces_replay(at, n, page) / (double)n);
        } else {
            open_engine(at, 0, page);
            wait_applied(n);
            print_value((double)(last_ns - first_ns) / (double)n);
            rft_engine_free(engine);
        }
    } else {
        demand(0, "there is no such measurement");
    }
    return 0;
}
