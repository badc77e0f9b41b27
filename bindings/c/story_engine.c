/* The story of three engines, as bindings/conformance/engine.txt tells it. The argument is an empty
 * directory. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <rft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDS 6 /* 1 to 5 are used */
#define COMMANDS_MAX 128
#define COMMAND_BYTES 16
#define WAIT_MS 60000u

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}
#define CHECK(condition) check((condition) ? 1 : 0, #condition)

/* A state machine that keeps commands, and answers with how many it has. */
struct machine {
    pthread_mutex_t lock;
    size_t count;
    char commands[COMMANDS_MAX][COMMAND_BYTES];
    unsigned outcomes, fine; /* of the requests with a number */
    rft_status_t last;
};

static const char *root;
static struct machine machines[IDS];
static pthread_mutex_t board_lock = PTHREAD_MUTEX_INITIALIZER; /* the engines, as senders see them */
static rft_engine_t *engines[IDS];

/* ---- time ---- */

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Goes round again, for a minute at the most. */
static int patient(uint64_t *until) {
    struct timespec one = {0, 1000000};
    *until = *until == 0 ? now_ms() + WAIT_MS : *until;
    CHECK(now_ms() < *until);
    nanosleep(&one, NULL);
    return 1;
}

/* ---- callbacks ---- */

static void on_send(void *user, const rft_message_t *messages, size_t n) {
    (void)user;
    pthread_mutex_lock(&board_lock);
    for (size_t at = 0; at < n; at++) {
        if (messages[at].to < IDS && engines[messages[at].to] != NULL) {
            /* What is not taken is lost. */
            (void)rft_engine_step(engines[messages[at].to], messages[at].data, messages[at].len, NULL);
        }
    }
    pthread_mutex_unlock(&board_lock);
}

static rft_status_t on_apply(void *user, const rft_entry_t *entries, size_t n) {
    struct machine *machine = user;
    rft_status_t status = RFT_OK;
    pthread_mutex_lock(&machine->lock);
    for (size_t at = 0; at < n && status == RFT_OK; at++) {
        if (entries[at].type != RFT_ENTRY_NORMAL) {
            continue;
        }
        if (machine->count == COMMANDS_MAX || entries[at].len >= COMMAND_BYTES) {
            status = RFT_E_HOST;
            break;
        }
        char answer[COMMAND_BYTES];
        memset(machine->commands[machine->count], 0, COMMAND_BYTES);
        memcpy(machine->commands[machine->count++], entries[at].data, entries[at].len);
        int len = snprintf(answer, sizeof answer, "%zu", machine->count);
        status = rft_answer_set(entries[at].answer, (const uint8_t *)answer, (size_t)len, NULL);
    }
    pthread_mutex_unlock(&machine->lock);
    return status;
}

static rft_status_t on_save(void *user, rft_snapshot_writer_t *writer) {
    struct machine *machine = user;
    pthread_mutex_lock(&machine->lock);
    rft_status_t status =
        rft_snapshot_write(writer, (const uint8_t *)machine->commands, machine->count * COMMAND_BYTES, NULL);
    pthread_mutex_unlock(&machine->lock);
    return status;
}

static rft_status_t on_restore(void *user, rft_snapshot_reader_t *reader) {
    struct machine *machine = user;
    uint8_t *into = (uint8_t *)machine->commands;
    size_t have = 0, len = 1;
    rft_status_t status = RFT_OK;
    if (rft_snapshot_len(reader) > sizeof machine->commands) {
        return RFT_E_HOST;
    }
    pthread_mutex_lock(&machine->lock);
    while (status == RFT_OK && len > 0 && have < sizeof machine->commands) {
        status = rft_snapshot_read(reader, into + have, sizeof machine->commands - have, &len, NULL);
        have += status == RFT_OK ? len : 0;
    }
    machine->count = have / COMMAND_BYTES;
    pthread_mutex_unlock(&machine->lock);
    return status;
}

static void on_outcome(void *user, const rft_outcome_t *outcomes, size_t n) {
    struct machine *machine = user;
    pthread_mutex_lock(&machine->lock);
    for (size_t at = 0; at < n; at++) {
        machine->outcomes++;
        machine->fine += outcomes[at].status == RFT_OK;
        machine->last = outcomes[at].status;
    }
    pthread_mutex_unlock(&machine->lock);
}

/* ---- the cluster ---- */

static rft_config_t *config_of(uint64_t id) {
    rft_config_t *config = rft_config_new();
    CHECK(rft_config_set(config, RFT_CONFIG_ID, id, NULL) == RFT_OK);
    CHECK(rft_config_set(config, RFT_CONFIG_TICK_INTERVAL_MS, 50, NULL) == RFT_OK);
    for (uint64_t voter = 1; voter <= 3 && id <= 3; voter++) {
        CHECK(rft_config_add_voter(config, voter, NULL) == RFT_OK);
    }
    return config;
}

static rft_status_t open_dir(const rft_config_t *config, uint64_t id, rft_engine_t **engine) {
    char dir[512];
    int len = snprintf(dir, sizeof dir, "%s/%" PRIu64, root, id);
    rft_host_t host = {0};
    host.size = sizeof host;
    host.user_data = &machines[id];
    host.send = on_send;
    host.apply = on_apply;
    host.snapshot_save = on_save;
    host.snapshot_restore = on_restore;
    host.outcome = on_outcome;
    return rft_engine_open(config, dir, (size_t)len, &host, engine, NULL);
}

static rft_engine_t *put(uint64_t id, rft_engine_t *engine) {
    pthread_mutex_lock(&board_lock);
    rft_engine_t *before = engines[id];
    engines[id] = engine;
    pthread_mutex_unlock(&board_lock);
    return before;
}

static void open_engine(uint64_t id) {
    rft_engine_t *engine = NULL;
    rft_config_t *config = config_of(id);
    memset(&machines[id], 0, sizeof machines[id]);
    CHECK(pthread_mutex_init(&machines[id].lock, NULL) == 0);
    CHECK(open_dir(config, id, &engine) == RFT_OK);
    rft_config_free(config);
    put(id, engine);
}

static rft_node_status_t status_of(uint64_t id) {
    rft_node_status_t status;
    CHECK(rft_engine_status(engines[id], &status, NULL) == RFT_OK);
    return status;
}

/* The one that leads, when the first members that are open agree on it; else 0. */
static uint64_t agreed(void) {
    uint64_t leader = 0;
    for (uint64_t id = 1; id < IDS; id++) {
        if (engines[id] != NULL && status_of(id).role == RFT_ROLE_LEADER) {
            leader = id;
        }
    }
    for (uint64_t id = 1; id <= 3; id++) {
        if (engines[id] != NULL && status_of(id).leader != leader) {
            return 0;
        }
    }
    return leader;
}

static uint64_t leader(void) {
    uint64_t until = 0, found;
    while ((found = agreed()) == 0) {
        patient(&until);
    }
    return found;
}

static uint64_t follower(void) {
    return leader() % 3 + 1;
}

/* ---- what is told ---- */

static const char *word(rft_status_t status) {
    return rft_status_name(status) + (status == RFT_OK ? 4 : 6); /* without RFT_ or RFT_E_ */
}

/* Whether a request certainly had no effect, and may be made again. */
static int again(rft_status_t status, uint64_t *until) {
    return (status == RFT_E_NOT_LEADER || status == RFT_E_DROPPED || status == RFT_E_BUSY ||
            status == RFT_E_LEARNER_BEHIND) &&
           patient(until);
}

static void propose(const char *text, const char *where, uint64_t (*at)(void)) {
    uint8_t answer[COMMAND_BYTES];
    rft_outcome_t outcome = {0};
    rft_status_t status;
    uint64_t until = 0;
    do {
        status = rft_engine_call(engines[at()], (const uint8_t *)text, strlen(text), WAIT_MS, answer,
                                 sizeof answer, &outcome, NULL);
    } while (again(status, &until));
    printf("propose \"%s\" at %s: %s \"%.*s\"\n", text, where, word(status), (int)outcome.answer_len,
           (const char *)answer);
}

/* What came of the requests with a number, at one engine. */
static rft_status_t collect(struct machine *machine, unsigned count) {
    uint64_t until = 0;
    unsigned came;
    rft_status_t last;
    do {
        patient(&until);
        pthread_mutex_lock(&machine->lock);
        came = machine->outcomes;
        last = machine->last;
        pthread_mutex_unlock(&machine->lock);
    } while (came < count);
    return last;
}

static struct machine *expecting(uint64_t id) {
    pthread_mutex_lock(&machines[id].lock);
    machines[id].outcomes = machines[id].fine = 0;
    pthread_mutex_unlock(&machines[id].lock);
    return &machines[id];
}

static void propose_many(void) {
    char texts[100][COMMAND_BYTES];
    rft_proposal_t proposals[100];
    struct machine *machine;
    uint64_t until = 0;
    rft_status_t status;
    for (unsigned at = 0; at < 100; at++) {
        proposals[at].len = (size_t)snprintf(texts[at], COMMAND_BYTES, "number %u", at);
        proposals[at].data = (const uint8_t *)texts[at];
        proposals[at].request = at + 1;
    }
    do {
        uint64_t id = leader();
        machine = expecting(id);
        status = rft_engine_propose(engines[id], proposals, 100, NULL);
        status = status == RFT_OK ? collect(machine, 100) : status;
    } while (again(status, &until)); /* a batch that finds no leader is refused as a whole */
    printf("propose 100 at once: %u OK\n", machine->fine);
}

static size_t count_of(uint64_t id) {
    pthread_mutex_lock(&machines[id].lock);
    size_t count = machines[id].count;
    pthread_mutex_unlock(&machines[id].lock);
    return count;
}

static void read_at(const char *where, uint64_t (*at)(void)) {
    rft_status_t status;
    uint64_t id, until = 0;
    do {
        id = at();
        status = rft_engine_read_wait(engines[id], WAIT_MS, NULL, NULL);
    } while (again(status, &until));
    printf("read at %s: %s, it holds %zu\n", where, word(status), count_of(id));
}

static void change(const char *what, int32_t type, uint64_t id) {
    rft_change_t step = {id, type, 0};
    rft_status_t status;
    uint64_t until = 0;
    do {
        status = rft_engine_change_wait(engines[leader()], &step, type < 0 ? 0 : 1, RFT_TRANSITION_AUTO, NULL,
                                        0, WAIT_MS, NULL, NULL);
    } while (again(status, &until));
    printf("%s: %s\n", what, word(status));
}

static void members(void) {
    rft_member_t list[8];
    size_t n = 0;
    CHECK(rft_engine_members(engines[leader()], list, 8, &n, NULL) == RFT_OK && n <= 8);
    for (size_t at = 0; at < n; at++) {
        printf("%s %" PRIu64 " %s", at == 0 ? "members:" : ",", list[at].id,
               list[at].flags == RFT_MEMBER_VOTER ? "voter" : "learner");
    }
    puts("");
}

static int same(uint64_t one, uint64_t other, size_t count) {
    int is_same = 1;
    if (one != other) {
        pthread_mutex_lock(&machines[one].lock);
        pthread_mutex_lock(&machines[other].lock);
        is_same = memcmp(machines[one].commands, machines[other].commands, count * COMMAND_BYTES) == 0;
        pthread_mutex_unlock(&machines[other].lock);
        pthread_mutex_unlock(&machines[one].lock);
    }
    return is_same && count_of(one) == count && count_of(other) == count;
}

static void bad_input(void) {
    static uint8_t large[9 << 20];
    rft_engine_t *engine = NULL;
    rft_config_t *config = config_of(1), *empty = rft_config_new();
    rft_status_t status =
        rft_engine_propose_wait(engines[leader()], large, sizeof large, WAIT_MS, NULL, NULL);
    printf("propose 9 MiB: %s\n", word(status));
    change("add 0 as a voter", RFT_CHANGE_ADD_VOTER, 0);
    printf("open the directory of 1 again: %s\n", word(open_dir(config, 1, &engine)));
    printf("open without an id: %s\n", word(open_dir(empty, 4, &engine)));
    rft_config_free(config);
    rft_config_free(empty);
}

static void hand_over(void) {
    uint64_t old = leader(), until = 0;
    while (rft_engine_transfer_leader_wait(engines[old], old % 3 + 1, 10000, NULL, NULL) != RFT_OK &&
           leader() == old) {
        patient(&until); /* it did not come through: asked again */
    }
    puts("hand leadership on: OK");
}

static int knows(uint64_t at, uint64_t id, const char *bytes) {
    uint8_t known[64];
    size_t len = 0;
    CHECK(rft_engine_member_bytes(engines[at], id, known, sizeof known, &len, NULL) == RFT_OK);
    return len == strlen(bytes) && memcmp(known, bytes, len) == 0;
}

static void replace(void) {
    const char *bytes = "address of 5";
    uint64_t until = 0;
    open_engine(5);
    printf("replace 4 by 5: %s\n",
           word(rft_engine_replace_wait(engines[follower()], 4, 5, (const uint8_t *)bytes, strlen(bytes),
                                        WAIT_MS, NULL, NULL)));
    rft_engine_free(put(4, NULL));
    members();
    while (!knows(1, 5, bytes) || !knows(5, 5, bytes)) {
        patient(&until);
    }
    printf("1 and 5 know of 5: \"%s\"\n", bytes);
}

static void membership(void) {
    uint64_t until = 0;
    open_engine(4);
    change("add 4 as a learner", RFT_CHANGE_ADD_LEARNER, 4);
    while (count_of(4) != 102) {
        patient(&until);
    }
    puts("4 holds 102");
    change("promote 4", RFT_CHANGE_ADD_VOTER, 4);
    members();
    replace();
    change("leave a joint configuration that is not there", -1, 0);
    hand_over();
    change("remove 5", RFT_CHANGE_REMOVE, 5);
    rft_engine_free(put(5, NULL));
    members();
}

static void restart(void) {
    uint64_t id = leader();
    rft_engine_t *stopped = put(id, NULL);
    CHECK(rft_engine_stop(stopped, WAIT_MS, NULL) == RFT_OK);
    puts("stop the leader");
    printf("propose at the stopped one: %s\n",
           word(rft_engine_propose_wait(stopped, (const uint8_t *)"x", 1, WAIT_MS, NULL, NULL)));
    rft_engine_free(stopped);
    leader();
    puts("another leader is elected");
    propose("three", "the leader", leader);
    id = leader();
    struct machine *machine = expecting(id);
    CHECK(rft_engine_snapshot(engines[id], 1, NULL) == RFT_OK);
    printf("snapshot: %s\n", word(collect(machine, 1)));
    for (id = 1; id <= 3; id++) {
        rft_engine_free(put(id, NULL));
    }
    for (id = 1; id <= 3; id++) {
        open_engine(id);
    }
    puts("stop all, open all");
    leader();
    puts("a leader is elected");
}

int main(int argc, char **argv) {
    uint64_t until = 0;
    CHECK(argc == 2 && rft_check_version() == RFT_OK);
    root = argv[1];
    for (uint64_t id = 1; id <= 3; id++) {
        open_engine(id);
    }
    puts("open 1 2 3");
    leader();
    puts("a leader is elected");
    propose("one", "the leader", leader);
    propose("two", "a follower", follower);
    propose_many();
    propose("", "the leader", leader);
    read_at("a follower", follower);
    bad_input();
    membership();
    restart();
    read_at("the leader", leader);
    propose("four", "the leader", leader);
    while (!same(1, 2, 104) || !same(1, 3, 104)) {
        patient(&until);
    }
    puts("all hold the same 104");
    for (uint64_t id = 1; id <= 3; id++) {
        rft_engine_free(put(id, NULL));
    }
    return 0;
}
