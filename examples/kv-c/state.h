/* What the service replicates, and its bytes: the same in every language's host (../README.md draws them).
 * Not thread-safe: kv.c adds the lock. */
#ifndef KV_STATE_H
#define KV_STATE_H

#include <rft.h>

#include "command.h"
#include "map.h"
#include "members.h"

struct state {
    uint64_t applied; /* index of the last entry that was applied */
    struct members members;
    struct map map;
};

/* Applies one entry of the log; `has_answer` tells whether it was a command, which `answer` speaks of.
 * Anything but RFT_OK means that this node must not go on. */
rft_status_t state_apply(struct state *state, const rft_entry_t *entry, bool *has_answer,
                         struct answer *answer);

/* The state as bytes, handed piece by piece to `write`, which stops it with anything but RFT_OK. */
typedef rft_status_t (*state_write)(void *to, const uint8_t *data, size_t len);
rft_status_t state_encode(const struct state *state, state_write write, void *to);

/* The inverse, into an empty state. `read` fills up to `cap` bytes; *len 0 is the end. */
typedef rft_status_t (*state_read)(void *from, uint8_t *data, size_t cap, size_t *len);
rft_status_t state_decode(struct state *state, state_read read, void *from);

/* FNV-1a over the encoded bytes: equal on all nodes that have applied the same index. */
rft_status_t state_hash(const struct state *state, uint64_t *hash);
void state_free(struct state *state);

#endif
