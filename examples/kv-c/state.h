/* What the service replicates, and its bytes: the same in every language's host (../README.md draws them).
 * Not thread-safe: kv.c adds the lock. */
#ifndef KV_STATE_H
#define KV_STATE_H

#include <rft.h>

#include "bytes.h"
#include "map.h"
#include "members.h"

#define KEY_MAX 1024
#define VALUE_MAX (4u << 20)

struct state {
    uint64_t applied; /* index of the last entry that was applied */
    struct members members;
    struct map map;
};

/* Commands, as they stand in the log. */
void state_command_put(struct bytes *out, const uint8_t *key, uint32_t key_len, const uint8_t *value,
                       uint32_t value_len);
void state_command_delete(struct bytes *out, const uint8_t *key, uint32_t key_len);

/* Applies one entry of the log. Anything but RFT_OK means that this node must not go on. */
rft_status_t state_apply(struct state *state, const rft_entry_t *entry);

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
