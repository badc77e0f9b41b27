/* A shopping list on three nodes, all in one process. The argument is a directory. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <rft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODES 3
#define WAIT_MS 5000

/* ANCHOR: machine */
/* The state machine: a text, to which every command adds a word. */
struct list {
    pthread_mutex_t lock; /* callbacks come on the engine's threads */
    char text[1024];
    int items;
};

static rft_status_t apply(void *user, const rft_entry_t *entries, size_t n) {
    struct list *list = user;
    pthread_mutex_lock(&list->lock);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list->text);
        if (entries[i].type != RFT_ENTRY_NORMAL || entries[i].len + len + 2 > sizeof list->text) {
            continue; /* every node has the same list, and so leaves out the same */
        }
        snprintf(list->text + len, sizeof list->text - len, " %.*s", (int)entries[i].len,
                 (const char *)entries[i].data);
        list->items++;
        char answer[16];
        int answer_len = snprintf(answer, sizeof answer, "%d", list->items);
        rft_answer_set(entries[i].answer, (const uint8_t *)answer, (size_t)answer_len, NULL);
    }
    pthread_mutex_unlock(&list->lock);
    return RFT_OK;
}
/* ANCHOR_END: machine */

/* ANCHOR: snapshot */
/* A snapshot is the number of items, and the text. */
static rft_status_t save(void *user, rft_snapshot_writer_t *to) {
    struct list *list = user;
    char out[sizeof list->text + 16];
    pthread_mutex_lock(&list->lock);
    int len = snprintf(out, sizeof out, "%d\n%s", list->items, list->text);
    pthread_mutex_unlock(&list->lock);
    return rft_snapshot_write(to, (const uint8_t *)out, (size_t)len, NULL);
}

static rft_status_t restore(void *user, rft_snapshot_reader_t *from) {
    struct list *list = user;
    char in[sizeof list->text + 17] = "";
    size_t have = 0, len = 1;
    while (len > 0 && have < sizeof in - 1) {
        rft_status_t status = rft_snapshot_read(from, (uint8_t *)in + have, sizeof in - 1 - have, &len, NULL);
        if (status != RFT_OK) {
            return status;
        }
        have += len;
    }
    const char *newline = strchr(in, '\n');
    pthread_mutex_lock(&list->lock);
    list->items = atoi(in);
    snprintf(list->text, sizeof list->text, "%s", newline == NULL ? "" : newline + 1);
    pthread_mutex_unlock(&list->lock);
    return RFT_OK;
}
/* ANCHOR_END: snapshot */

/* ANCHOR: transport */
static struct list lists[NODES + 1]; /* node 1 is at 1 */
static rft_engine_t *engines[NODES + 1];
static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;

/* The network: brings messages to their receivers. What does not arrive, raft sends again. */
static void deliver(void *user, const rft_message_t *messages, size_t n) {
    (void)user;
    pthread_mutex_lock(&engines_lock);
    for (size_t i = 0; i < n; i++) {
        if (engines[messages[i].to] != NULL) {
            rft_engine_step(engines[messages[i].to], messages[i].data, messages[i].len, NULL);
        }
    }
    pthread_mutex_unlock(&engines_lock);
}
/* ANCHOR_END: transport */

static void must(const char *what, rft_status_t status, rft_error_t *error) {
    if (status != RFT_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, rft_status_name(status), rft_error_message(error));
        exit(EXIT_FAILURE);
    }
}

static void put_on_network(int id, rft_engine_t *engine) {
    pthread_mutex_lock(&engines_lock);
    engines[id] = engine;
    pthread_mutex_unlock(&engines_lock);
}

/* ANCHOR: open */
static void open_node(const char *root, int id) {
    char dir[512];
    int dir_len = snprintf(dir, sizeof dir, "%s/%d", root, id);
    lists[id] = (struct list){.lock = PTHREAD_MUTEX_INITIALIZER};
    rft_host_t host = {
        .size = sizeof host,
        .user_data = &lists[id],
        .send = deliver,
        .apply = apply,
        .snapshot_save = save,
        .snapshot_restore = restore,
    };
    rft_error_t *error = NULL;
    rft_engine_t *engine = NULL;
    rft_config_t *config = rft_config_new();
    must("the id", rft_config_set(config, RFT_CONFIG_ID, (uint64_t)id, &error), error);
    for (uint64_t voter = 1; voter <= NODES; voter++) {
        must("the members", rft_config_add_voter(config, voter, &error), error);
    }
    must("open", rft_engine_open(config, dir, (size_t)dir_len, &host, &engine, &error), error);
    rft_config_free(config);
    put_on_network(id, engine);
}

static void close_node(int id) {
    rft_engine_t *engine = engines[id];
    put_on_network(id, NULL);
    rft_engine_stop(engine, WAIT_MS, NULL);
    rft_engine_free(engine);
}
/* ANCHOR_END: open */

/* ANCHOR: outcome */
/* Whether a request had no effect for certain, and may work in a moment: there is no leader yet, say. */
static int try_again(rft_status_t status, rft_error_t *error) {
    int again = status != RFT_OK && rft_error_is_retryable(error);
    if (again) {
        rft_error_free(error);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return again;
}

static void add(int id, const char *item) {
    uint8_t answer[16];
    rft_outcome_t outcome;
    rft_error_t *error;
    rft_status_t status;
    do {
        error = NULL;
        status = rft_engine_call(engines[id], (const uint8_t *)item, strlen(item), WAIT_MS, answer,
                                 sizeof answer, &outcome, &error);
    } while (try_again(status, error));
    must(item, status, error); /* RFT_E_UNKNOWN and RFT_E_TIMED_OUT: nobody can tell */
    printf("node %d adds %s: item %.*s\n", id, item, (int)outcome.answer_len, (const char *)answer);
}
/* ANCHOR_END: outcome */

/* ANCHOR: read */
static void show(int id, const char *how) {
    rft_error_t *error;
    rft_status_t status;
    do {
        error = NULL;
        status = rft_engine_read_wait(engines[id], WAIT_MS, NULL, &error);
    } while (try_again(status, error));
    must("read", status, error);
    /* The state machine holds now all that was acknowledged anywhere before. */
    pthread_mutex_lock(&lists[id].lock);
    printf("node %d%s holds%s\n", id, how, lists[id].text);
    pthread_mutex_unlock(&lists[id].lock);
}
/* ANCHOR_END: read */

/* Until node 2 knows a leader that is still there. */
static void wait_for_leader(void) {
    rft_node_status_t status = {0};
    while (status.leader < 2) {
        must("status", rft_engine_status(engines[2], &status, NULL), NULL);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* ANCHOR: story */
int main(int argc, char **argv) {
    const char *root = argc > 1 ? argv[1] : "tutorial.data";
    for (int id = 1; id <= NODES; id++) {
        open_node(root, id);
    }
    add(1, "milk"); /* whichever node leads: the others hand it on */
    add(2, "bread");
    add(3, "eggs");
    for (int id = 1; id <= NODES; id++) {
        show(id, "");
    }
    close_node(1);
    printf("node 1 is closed\n");
    wait_for_leader(); /* two of three are a majority */
    add(2, "tea");
    open_node(root, 1); /* it catches up */
    show(1, ", opened again,");
    for (int id = 1; id <= NODES; id++) {
        close_node(id);
    }
    return EXIT_SUCCESS;
}
/* ANCHOR_END: story */
