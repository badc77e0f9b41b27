/* A node in a loop of your own, with a store: each run counts three up, and goes on where the last one was.
 * The argument is a directory. */
#include <inttypes.h>
#include <rft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rft_error_t *error;

static void must(const char *what, rft_status_t status) {
    if (status != RFT_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, rft_status_name(status), rft_error_message(error));
        exit(EXIT_FAILURE);
    }
}

/* ANCHOR: turn */
static long count; /* the state machine */

static void apply(const rft_entry_t *entry) {
    if (entry->type == RFT_ENTRY_NORMAL && entry->len > 0) { /* a new leader's first entry is empty */
        count++;
    }
}

/* One turn of the loop: all that the node wants done, in this order. */
static void turn(rft_node_t *node, rft_store_t *store) {
    rft_ready_t ready;
    while (rft_node_has_ready(node)) {
        must("ready", rft_node_ready(node, &ready, &error));
        /* Here ready.messages would go to the network. They need not wait for the disk. */
        must("save", rft_store_save(store, node, &error)); /* what must survive is synced now */
        if (ready.has_snapshot) {                          /* a leader's: it replaces the state machine */
            memcpy(&count, ready.snapshot.data, sizeof count);
        }
        for (size_t i = 0; i < ready.committed_len; i++) {
            apply(&ready.committed[i]);
        }
        must("advance", rft_node_advance(node, &error));
    }
}
/* ANCHOR_END: turn */

/* ANCHOR: main */
int main(int argc, char **argv) {
    const char *dir = argc > 1 ? argv[1] : "loop.data";
    rft_store_t *store = NULL;
    rft_node_t *node = NULL;
    rft_snapshot_t snapshot;
    rft_config_t *config = rft_config_new();
    must("the id", rft_config_set(config, RFT_CONFIG_ID, 1, &error));
    must("the member", rft_config_add_voter(config, 1, &error)); /* alone, so that it needs no network */

    must("open", rft_store_open(config, dir, strlen(dir), &store, &error));
    must("the snapshot", rft_store_snapshot(store, &snapshot, &error));
    if (snapshot.len == sizeof count) {
        memcpy(&count, snapshot.data, sizeof count);
    }
    must("create", rft_node_create(config, store, &node, &error));
    turn(node, store); /* applies again what was committed behind the snapshot */

    /* Left alone, and ticked, the node would campaign when its time runs out. */
    must("campaign", rft_node_campaign(node, &error));
    turn(node, store);
    for (int i = 0; i < 3; i++) {
        rft_bytes_t payload = {.data = (const uint8_t *)"+1", .len = 2};
        must("propose", rft_node_propose(node, &payload, 1, NULL, &error));
        turn(node, store);
    }
    printf("the count is %ld\n", count);

    /* What the log held up to here is in the snapshot, and may be dropped. */
    rft_node_status_t status;
    must("status", rft_node_status(node, &status, &error));
    must("snapshot",
         rft_node_snapshot(node, store, status.applied, (const uint8_t *)&count, sizeof count, &error));
    turn(node, store);

    rft_node_free(node);
    rft_store_free(store);
    rft_config_free(config);
}
/* ANCHOR_END: main */
