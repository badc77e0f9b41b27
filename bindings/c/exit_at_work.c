/* A process that ends while its engine is at work, in one of three ways, and comes back to all that it
 * acknowledged: exit_at_work DIR return|exit|callback|check */
#include <rft.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                               \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { PROPOSERS = 4, ENOUGH = 40, CODE = 7 };

static rft_engine_t *engine;
static atomic_uint applied, acknowledged;
static atomic_bool exit_in_apply;

static rft_status_t apply(void *user, const rft_entry_t *entries, size_t n) {
    (void)user;
    (void)entries;
    if (atomic_fetch_add(&applied, (unsigned)n) + n > ENOUGH && atomic_load(&exit_in_apply)) {
        exit(CODE);
    }
    return RFT_OK;
}

static rft_status_t propose(void) {
    return rft_engine_propose_wait(engine, (const uint8_t *)"x", 1, 30000, NULL, NULL);
}

static void open_and_lead(const char *dir) {
    rft_host_t host = {0};
    rft_config_t *config = rft_config_new();
    host.size = sizeof host;
    host.apply = apply;
    CHECK(rft_config_set(config, RFT_CONFIG_ID, 1, NULL) == RFT_OK);
    CHECK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, NULL) == RFT_OK);
    CHECK(rft_config_add_voter(config, 1, NULL) == RFT_OK);
    CHECK(rft_engine_open(config, dir, strlen(dir), &host, &engine, NULL) == RFT_OK);
    rft_config_free(config);
    CHECK(rft_engine_campaign(engine, NULL) == RFT_OK);
    rft_status_t status = RFT_E_NOT_LEADER;
    while (status == RFT_E_NOT_LEADER) {
        status = propose();
    }
    CHECK(status == RFT_OK);
}

static void *propose_on(void *unused) {
    (void)unused;
    for (;;) {
        CHECK(propose() == RFT_OK);
        atomic_fetch_add(&acknowledged, 1);
    }
    return NULL;
}

static void *end_the_process(void *unused) {
    while (atomic_load(&acknowledged) < ENOUGH) {
    }
    exit(CODE);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t thread;
    CHECK(argc == 3);
    open_and_lead(argv[1]);
    if (strcmp(argv[2], "check") == 0) {
        CHECK(atomic_load(&applied) > ENOUGH);
        CHECK(rft_engine_stop(engine, 30000, NULL) == RFT_OK);
        CHECK(rft_engine_stop(engine, 30000, NULL) == RFT_OK);
        CHECK(propose() == RFT_E_STOPPED);
        rft_engine_free(engine);
        return 0;
    }
    atomic_store(&exit_in_apply, strcmp(argv[2], "callback") == 0);
    for (int at = 0; at < PROPOSERS; at++) {
        CHECK(pthread_create(&thread, NULL, propose_on, NULL) == 0);
    }
    if (strcmp(argv[2], "return") == 0) {
        while (atomic_load(&acknowledged) < ENOUGH) {
        }
        return CODE;
    }
    if (strcmp(argv[2], "exit") == 0) {
        CHECK(pthread_create(&thread, NULL, end_the_process, NULL) == 0);
    }
    CHECK(pthread_join(thread, NULL) == 0); /* the process ends first */
    return 1;
}
