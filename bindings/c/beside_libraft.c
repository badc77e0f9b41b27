/* One program with Debian's libraft (cowsql's) and this library: three servers of the one and a node of the
 * other, taking turns, and both work. The argument is an empty directory. */
#include <raft.h>
#include <raft/fixture.h>
#include <rft.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                               \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

enum { SERVERS = 3, ROUNDS = 10 };

/* Both state machines count what they have applied. */
static int their_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result) {
    unsigned *count = fsm->data;
    CHECK(buf->len == 8 && memcmp(buf->base, "command", 8) == 0);
    ++*count;
    *result = NULL;
    return 0;
}

static int their_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n) {
    (void)fsm;
    (void)bufs;
    *n = 0;
    return RAFT_NOMEM; /* none is asked for */
}

static int their_restore(struct raft_fsm *fsm, struct raft_buffer *buf) {
    (void)fsm;
    (void)buf;
    return RAFT_NOMEM;
}

static rft_status_t our_apply(void *count, const rft_entry_t *entries, size_t n) {
    for (size_t at = 0; at < n; at++) {
        CHECK(entries[at].len == 8 && memcmp(entries[at].data, "command", 8) == 0);
        ++*(unsigned *)count;
    }
    return RFT_OK;
}

static void their_open(struct raft_fixture *cluster, struct raft_fsm fsms[], unsigned counts[]) {
    struct raft_configuration members;
    CHECK(raft_fixture_initialize(cluster) == 0);
    for (unsigned at = 0; at < SERVERS; at++) {
        memset(&fsms[at], 0, sizeof fsms[at]);
        fsms[at].version = 1;
        fsms[at].data = &counts[at];
        fsms[at].apply = their_apply;
        fsms[at].snapshot = their_snapshot;
        fsms[at].restore = their_restore;
        CHECK(raft_fixture_grow(cluster, &fsms[at]) == 0);
    }
    CHECK(raft_fixture_configuration(cluster, SERVERS, &members) == 0);
    CHECK(raft_fixture_bootstrap(cluster, &members) == 0);
    raft_configuration_close(&members);
    CHECK(raft_fixture_start(cluster) == 0);
    raft_fixture_elect(cluster, 0);
    CHECK(raft_state(raft_fixture_get(cluster, 0)) == RAFT_LEADER);
}

static rft_engine_t *our_open(const char *dir, unsigned *count) {
    rft_host_t host = {0};
    rft_engine_t *engine = NULL;
    rft_config_t *config = rft_config_new();
    host.size = sizeof host;
    host.user_data = count;
    host.apply = our_apply;
    CHECK(rft_check_version() == RFT_OK);
    CHECK(rft_config_set(config, RFT_CONFIG_ID, 1, NULL) == RFT_OK);
    CHECK(rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, NULL) == RFT_OK);
    CHECK(rft_config_add_voter(config, 1, NULL) == RFT_OK);
    CHECK(rft_engine_open(config, dir, strlen(dir), &host, &engine, NULL) == RFT_OK);
    CHECK(rft_engine_campaign(engine, NULL) == RFT_OK);
    rft_config_free(config);
    return engine;
}

static void our_propose(rft_engine_t *engine) {
    rft_status_t status = RFT_E_NOT_LEADER;
    while (status == RFT_E_NOT_LEADER) {
        status = rft_engine_propose_wait(engine, (const uint8_t *)"command", 8, 30000, NULL, NULL);
    }
    CHECK(status == RFT_OK);
}

static void their_propose(struct raft_fixture *cluster, struct raft_apply *request, unsigned round) {
    struct raft *leader = raft_fixture_get(cluster, 0);
    struct raft_buffer command;
    command.len = 8;
    command.base = raft_malloc(command.len);
    CHECK(command.base != NULL);
    memcpy(command.base, "command", command.len);
    CHECK(raft_apply(leader, request, &command, 1, NULL) == 0);
    /* The first two entries are the configuration and the leader's barrier. */
    CHECK(raft_fixture_step_until_applied(cluster, SERVERS, raft_last_index(leader), 10000));
    CHECK(raft_last_applied(leader) >= round + 1);
}

int main(int argc, char **argv) {
    static struct raft_fixture cluster;
    struct raft_fsm fsms[SERVERS];
    struct raft_apply requests[ROUNDS];
    unsigned theirs[SERVERS] = {0}, ours = 0;
    CHECK(argc == 2);
    their_open(&cluster, fsms, theirs);
    rft_engine_t *engine = our_open(argv[1], &ours);
    for (unsigned round = 0; round < ROUNDS; round++) {
        their_propose(&cluster, &requests[round], round);
        our_propose(engine);
    }
    rft_engine_free(engine);
    raft_fixture_close(&cluster);
    for (unsigned at = 0; at < SERVERS; at++) {
        CHECK(theirs[at] == ROUNDS);
    }
    CHECK(ours == ROUNDS);
    puts("beside libraft: ok");
    return 0;
}
