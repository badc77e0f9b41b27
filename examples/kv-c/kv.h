/* The state machine: the state of state.h behind a lock, in the shape that rft's callbacks want. */
#ifndef KV_KV_H
#define KV_KV_H

#include "state.h"

struct kv;

/* `first` holds the addresses of a new cluster's members, the same on each. NULL when memory is out. */
struct kv *kv_new(const struct members *first);
void kv_free(struct kv *kv);

/* For rft_host_t's apply, snapshot_save and snapshot_restore, which call from one thread at a time. */
rft_status_t kv_apply(struct kv *kv, const rft_entry_t *entries, size_t n);
rft_status_t kv_save(struct kv *kv, rft_snapshot_writer_t *writer);
rft_status_t kv_restore(struct kv *kv, rft_snapshot_reader_t *reader);

/* The rest from any thread. kv_get appends the value and gives the key's revision; 0 when it is absent. */
uint64_t kv_get(struct kv *kv, const uint8_t *key, uint32_t key_len, struct bytes *value);
void kv_members(struct kv *kv, struct members *out);

struct kv_summary {
    uint64_t applied, hash;
    size_t keys;
};
/* The hash walks the whole state while applying waits: leave it out where it is not needed. */
rft_status_t kv_summary(struct kv *kv, bool with_hash, struct kv_summary *out);

#endif
