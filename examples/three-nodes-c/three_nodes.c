/* Three nodes in one process: no thread, no file, no clock. The program owns the loop and calls the library,
 * never the other way round: that is layer one of rft.h, for a host with an event loop of its own. */
#include <inttypes.h>
#include <rft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 3

/* A state machine of one number: every command adds to it. */
struct member {
    rft_node_t *node;
    long sum;
};

static struct member members[NODES]; /* node 1 is members[0] */

static void must(rft_status_t status, rft_error_t *error) {
    if (status != RFT_OK) {
        fprintf(stderr, "%s: %s\n", rft_status_name(status), rft_error_message(error));
        exit(EXIT_FAILURE);
    }
}

static rft_node_t *create(uint64_t id) {
    rft_error_t *error = NULL;
    rft_node_t *node = NULL;
    rft_config_t *config = rft_config_new();
    must(rft_config_set(config, RFT_CONFIG_ID, id, &error), error);
    for (uint64_t voter = 1; voter <= NODES; voter++) {
        must(rft_config_add_voter(config, voter, &error), error);
    }
    must(rft_node_create(config, NULL, &node, &error), error); /* NULL: keeps its log in memory */
    rft_config_free(config);
    return node;
}

static void apply(uint64_t id, const rft_entry_t *entry) {
    char command[32] = {0};
    if (entry->type != RFT_ENTRY_NORMAL || entry->len == 0 || entry->len >= sizeof command) {
        return; /* a new leader's first entry is empty */
    }
    memcpy(command, entry->data, entry->len);
    members[id - 1].sum += strtol(command, NULL, 10);
    printf("node %" PRIu64 " applies %s: the sum is %ld\n", id, command, members[id - 1].sum);
}

/* Does all that one node asks for. False when it asks for nothing. */
static int handle_ready(uint64_t id) {
    rft_node_t *node = members[id - 1].node;
    rft_error_t *error = NULL;
    rft_ready_t ready;
    if (!rft_node_has_ready(node)) {
        return 0;
    }
    must(rft_node_ready(node, &ready, &error), error);
    /* A host with a disk would write ready.entries and ready.hard_state here: rft_store_save does. */
    for (size_t i = 0; i < ready.messages_len; i++) {
        const rft_message_t *message = &ready.messages[i];
        must(rft_node_step(members[message->to - 1].node, message->data, message->len, &error), error);
    }
    for (size_t i = 0; i < ready.committed_len; i++) {
        apply(id, &ready.committed[i]);
    }
    must(rft_node_advance(node, &error), error);
    return 1;
}

/* Goes round until no node has anything left to do. */
static void settle(void) {
    int busy;
    do {
        busy = 0;
        for (uint64_t id = 1; id <= NODES; id++) {
            busy |= handle_ready(id);
        }
    } while (busy);
}

static void propose(rft_node_t *leader, const char *const *commands, size_t n) {
    rft_bytes_t payloads[8];
    rft_error_t *error = NULL;
    for (size_t i = 0; i < n; i++) {
        payloads[i] = (rft_bytes_t){.data = (const uint8_t *)commands[i], .len = strlen(commands[i])};
    }
    must(rft_node_propose(leader, payloads, n, NULL, &error), error);
}

int main(void) {
    rft_error_t *error = NULL;
    rft_node_status_t status;
    for (uint64_t id = 1; id <= NODES; id++) {
        members[id - 1].node = create(id);
    }

    /* Left alone, the node whose time runs out first would ask for votes. Here node 2 is told to. */
    must(rft_node_campaign(members[1].node, &error), error);
    settle();
    for (uint64_t id = 1; id <= NODES; id++) {
        must(rft_node_status(members[id - 1].node, &status, &error), error);
        printf("node %" PRIu64 " %s node %" PRIu64 "\n", id,
               status.role == RFT_ROLE_LEADER ? "leads as" : "follows", status.leader);
    }

    static const char *const COMMANDS[] = {"+1", "+20", "-7"};
    propose(members[1].node, COMMANDS, 3);
    settle();

    /* Time is a call. A heartbeat tells the followers what has been committed. */
    for (uint64_t id = 1; id <= NODES; id++) {
        must(rft_node_tick(members[id - 1].node, &error), error);
    }
    settle();
    for (uint64_t id = 1; id <= NODES; id++) {
        must(rft_node_status(members[id - 1].node, &status, &error), error);
        printf("node %" PRIu64 " has applied %s\n", id, status.applied == status.commit ? "all" : "a part");
        rft_node_free(members[id - 1].node);
    }
    return EXIT_SUCCESS;
}
