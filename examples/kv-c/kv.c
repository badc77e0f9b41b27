#define _POSIX_C_SOURCE 200809L

#include "kv.h"

#include <pthread.h>
#include <stdlib.h>

struct kv {
    pthread_rwlock_t lock; /* written by apply and restore only */
    struct state state;
};

struct kv *kv_new(const struct members *first) {
    struct kv *kv = calloc(1, sizeof *kv);
    if (kv != NULL) {
        pthread_rwlock_init(&kv->lock, NULL);
        kv->state.members = *first;
    }
    return kv;
}

void kv_free(struct kv *kv) {
    if (kv != NULL) {
        state_free(&kv->state);
        pthread_rwlock_destroy(&kv->lock);
        free(kv);
    }
}

static rft_status_t apply_and_answer(struct state *state, const rft_entry_t *entry) {
    bool has_answer;
    struct answer answer;
    rft_status_t status = state_apply(state, entry, &has_answer, &answer);
    if (status == RFT_OK && has_answer) {
        uint8_t bytes[ANSWER_LEN];
        answer_store(&answer, bytes);
        status = rft_answer_set(entry->answer, bytes, sizeof bytes, NULL);
    }
    return status;
}

rft_status_t kv_apply(struct kv *kv, const rft_entry_t *entries, size_t n) {
    rft_status_t status = RFT_OK;
    pthread_rwlock_wrlock(&kv->lock);
    for (size_t i = 0; i < n && status == RFT_OK; i++) {
        status = apply_and_answer(&kv->state, &entries[i]);
    }
    pthread_rwlock_unlock(&kv->lock);
    return status;
}

static rft_status_t write_piece(void *to, const uint8_t *data, size_t len) {
    return rft_snapshot_write(to, data, len, NULL);
}

rft_status_t kv_save(struct kv *kv, rft_snapshot_writer_t *writer) {
    /* Readers go on meanwhile. Nothing is applied: save and apply share the library's applier thread. */
    pthread_rwlock_rdlock(&kv->lock);
    rft_status_t status = state_encode(&kv->state, write_piece, writer);
    pthread_rwlock_unlock(&kv->lock);
    return status;
}

static rft_status_t read_piece(void *from, uint8_t *data, size_t cap, size_t *len) {
    return rft_snapshot_read(from, data, cap, len, NULL);
}

rft_status_t kv_restore(struct kv *kv, rft_snapshot_reader_t *reader) {
    /* Decoded aside: until all of it has been read well, the old state stays. */
    struct state fresh = {0};
    rft_status_t status = state_decode(&fresh, read_piece, reader);
    if (status != RFT_OK) {
        state_free(&fresh);
        return status;
    }
    pthread_rwlock_wrlock(&kv->lock);
    struct state old = kv->state;
    kv->state = fresh;
    pthread_rwlock_unlock(&kv->lock);
    state_free(&old);
    return RFT_OK;
}

uint64_t kv_get(struct kv *kv, const uint8_t *key, uint32_t key_len, struct bytes *value) {
    pthread_rwlock_rdlock(&kv->lock);
    const struct map_item *item = map_find(&kv->state.map, key, key_len);
    uint64_t revision = 0;
    if (item != NULL) {
        revision = item->revision;
        bytes_append(value, item->bytes + item->key_len, item->value_len);
    }
    pthread_rwlock_unlock(&kv->lock);
    return revision;
}

void kv_members(struct kv *kv, struct members *out) {
    pthread_rwlock_rdlock(&kv->lock);
    *out = kv->state.members;
    pthread_rwlock_unlock(&kv->lock);
}

rft_status_t kv_summary(struct kv *kv, bool with_hash, struct kv_summary *out) {
    pthread_rwlock_rdlock(&kv->lock);
    *out = (struct kv_summary){.applied = kv->state.applied, .keys = kv->state.map.count};
    rft_status_t status = with_hash ? state_hash(&kv->state, &out->hash) : RFT_OK;
    pthread_rwlock_unlock(&kv->lock);
    return status;
}
