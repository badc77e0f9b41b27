#include "state.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t MAGIC[8] = {'R', 'F', 'T', 'K', 'V', 0, 0, 2};

/* ---- entries ---- */

static rft_status_t apply_command(struct map *map, uint64_t index, const struct command *command,
                                  struct answer *answer) {
    const struct map_item *item = map_find(map, command->key, command->key_len);
    uint64_t revision = item != NULL ? item->revision : 0;
    if (command->conditional && command->revision != revision) {
        *answer = (struct answer){.done = false, .revision = revision};
        return RFT_OK;
    }
    *answer = (struct answer){.done = true, .revision = command->deletes ? 0 : index};
    if (command->deletes) {
        map_remove(map, command->key, command->key_len);
        return RFT_OK;
    }
    return map_put(map, command->key, command->key_len, index, command->value, command->value_len)
               ? RFT_OK
               : RFT_E_HOST;
}

rft_status_t state_apply(struct state *state, const rft_entry_t *entry, bool *has_answer,
                         struct answer *answer) {
    struct command command;
    rft_status_t status = RFT_OK;
    *has_answer = false;
    if (entry->type == RFT_ENTRY_CONF_CHANGE) {
        /* The context of a membership change is a list of addresses. A host that speaks to nobody by
         * address may leave it empty, and so does the library when it ends a joint change by itself. */
        if (!members_follow(&state->members, (const char *)entry->data, entry->len)) {
            status = RFT_E_DECODE;
        }
    } else if (entry->len > 0) {
        /* An entry of no bytes is a new leader's first one. */
        *has_answer = command_parse(&command, entry->data, entry->len);
        status = *has_answer ? apply_command(&state->map, entry->index, &command, answer) : RFT_E_DECODE;
    }
    if (status == RFT_OK) {
        state->applied = entry->index;
    }
    return status;
}

/* ---- the state as bytes ---- */

/* Small fields are gathered here, so that a stream gets few and long pieces. The first failure stays. */
struct encoder {
    state_write write;
    void *to;
    rft_status_t status;
    size_t len;
    uint8_t buffer[64 * 1024];
};

static void flush(struct encoder *encoder) {
    if (encoder->status == RFT_OK && encoder->len > 0) {
        encoder->status = encoder->write(encoder->to, encoder->buffer, encoder->len);
    }
    encoder->len = 0;
}

static void put(struct encoder *encoder, const void *data, size_t len) {
    const uint8_t *at = data;
    while (len > 0 && encoder->status == RFT_OK) {
        size_t room = sizeof encoder->buffer - encoder->len;
        size_t n = len < room ? len : room;
        memcpy(encoder->buffer + encoder->len, at, n);
        encoder->len += n;
        at += n;
        len -= n;
        if (encoder->len == sizeof encoder->buffer) {
            flush(encoder);
        }
    }
}

static void put_le(struct encoder *encoder, uint64_t value, size_t len) {
    uint8_t out[8];
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
    put(encoder, out, len);
}

rft_status_t state_encode(const struct state *state, state_write write, void *to) {
    const struct map_item **items = map_sorted(&state->map);
    struct encoder *encoder = malloc(sizeof *encoder);
    if (items == NULL || encoder == NULL) {
        free(items);
        free(encoder);
        return RFT_E_HOST;
    }
    encoder->write = write;
    encoder->to = to;
    encoder->status = RFT_OK;
    encoder->len = 0;

    put(encoder, MAGIC, sizeof MAGIC);
    put_le(encoder, state->applied, 8);
    put_le(encoder, state->members.count, 4);
    for (size_t i = 0; i < state->members.count; i++) {
        const struct member *member = &state->members.items[i];
        size_t len = strlen(member->address);
        put_le(encoder, member->id, 8);
        put_le(encoder, len, 4);
        put(encoder, member->address, len);
    }
    put_le(encoder, state->map.count, 8);
    for (size_t i = 0; i < state->map.count; i++) {
        const struct map_item *item = items[i];
        put_le(encoder, item->key_len, 4);
        put(encoder, item->bytes, item->key_len);
        put_le(encoder, item->revision, 8);
        put_le(encoder, item->value_len, 4);
        put(encoder, item->bytes + item->key_len, item->value_len);
    }
    flush(encoder);

    rft_status_t status = encoder->status;
    free(items);
    free(encoder);
    return status;
}

struct decoder {
    state_read read;
    void *from;
    rft_status_t status;
    size_t at, len;
    uint8_t buffer[64 * 1024];
};

static void refill(struct decoder *decoder) {
    decoder->at = decoder->len = 0;
    decoder->status = decoder->read(decoder->from, decoder->buffer, sizeof decoder->buffer, &decoder->len);
}

/* Exactly `len` bytes, or a status that stays: fewer are RFT_E_DECODE. */
static void get(struct decoder *decoder, uint8_t *out, size_t len) {
    while (len > 0 && decoder->status == RFT_OK) {
        if (decoder->at == decoder->len) {
            refill(decoder);
            if (decoder->status == RFT_OK && decoder->len == 0) {
                decoder->status = RFT_E_DECODE;
            }
            continue;
        }
        size_t there = decoder->len - decoder->at;
        size_t n = len < there ? len : there;
        memcpy(out, decoder->buffer + decoder->at, n);
        decoder->at += n;
        out += n;
        len -= n;
    }
}

static uint64_t get_le(struct decoder *decoder, size_t len) {
    uint8_t in[8] = {0};
    get(decoder, in, len);
    return load_le(in, len);
}

/* A length field; one beyond `max` was never written by us and must not size an allocation. */
static uint32_t get_len(struct decoder *decoder, uint32_t max) {
    uint32_t len = (uint32_t)get_le(decoder, 4);
    if (decoder->status == RFT_OK && len > max) {
        decoder->status = RFT_E_DECODE;
    }
    return decoder->status == RFT_OK ? len : 0;
}

static void get_member(struct decoder *decoder, struct members *members) {
    char address[MEMBER_ADDRESS_MAX];
    uint64_t id = get_le(decoder, 8);
    uint32_t len = get_len(decoder, sizeof address);
    get(decoder, (uint8_t *)address, len);
    if (decoder->status == RFT_OK && !members_set(members, id, address, len)) {
        decoder->status = RFT_E_DECODE;
    }
}

static void get_pair(struct decoder *decoder, struct map *map, uint8_t *value) {
    uint8_t key[KEY_MAX];
    uint32_t key_len = get_len(decoder, KEY_MAX);
    get(decoder, key, key_len);
    uint64_t revision = get_le(decoder, 8);
    uint32_t value_len = get_len(decoder, VALUE_MAX);
    get(decoder, value, value_len);
    if (decoder->status == RFT_OK && !map_put(map, key, key_len, revision, value, value_len)) {
        decoder->status = RFT_E_HOST;
    }
}

static void get_state(struct decoder *decoder, struct state *state, uint8_t *value) {
    uint8_t magic[sizeof MAGIC] = {0};
    get(decoder, magic, sizeof magic);
    if (decoder->status == RFT_OK && memcmp(magic, MAGIC, sizeof magic) != 0) {
        decoder->status = RFT_E_DECODE;
    }
    state->applied = get_le(decoder, 8);
    uint32_t member_count = get_len(decoder, MEMBERS_MAX);
    for (uint32_t i = 0; i < member_count && decoder->status == RFT_OK; i++) {
        get_member(decoder, &state->members);
    }
    uint64_t pair_count = get_le(decoder, 8);
    for (uint64_t i = 0; i < pair_count && decoder->status == RFT_OK; i++) {
        get_pair(decoder, &state->map, value);
    }
    if (decoder->status == RFT_OK && decoder->at == decoder->len) {
        refill(decoder);
    }
    if (decoder->status == RFT_OK && decoder->at < decoder->len) {
        decoder->status = RFT_E_DECODE; /* bytes behind the end */
    }
}

rft_status_t state_decode(struct state *state, state_read read, void *from) {
    struct decoder *decoder = malloc(sizeof *decoder);
    uint8_t *value = malloc(VALUE_MAX);
    rft_status_t status = RFT_E_HOST;
    if (decoder != NULL && value != NULL) {
        decoder->read = read;
        decoder->from = from;
        decoder->status = RFT_OK;
        decoder->at = decoder->len = 0;
        get_state(decoder, state, value);
        status = decoder->status;
    }
    free(decoder);
    free(value);
    return status;
}

static rft_status_t hash_piece(void *to, const uint8_t *data, size_t len) {
    uint64_t *hash = to;
    *hash = fnv(*hash, data, len);
    return RFT_OK;
}

rft_status_t state_hash(const struct state *state, uint64_t *hash) {
    *hash = FNV_START;
    return state_encode(state, hash_piece, hash);
}

void state_free(struct state *state) {
    map_free(&state->map);
    *state = (struct state){0};
}
