/* The bytes that hosts in four languages share: commands, state and hash, against ../README.md's example. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "state.h"

static void check(bool ok, const char *what, int line) {
    if (!ok) {
        fprintf(stderr, "state_test.c:%d: %s\n", line, what);
        exit(1);
    }
}
#define CHECK(condition) check(condition, #condition, __LINE__)

static const uint8_t *text(const char *string) {
    return (const uint8_t *)string;
}

static rft_status_t apply(struct state *state, uint64_t index, int32_t type, const void *data, size_t len) {
    rft_entry_t entry = {.index = index, .term = 1, .type = type, .data = data, .len = len};
    return state_apply(state, &entry);
}

static void put(struct state *state, uint64_t index, const char *key, const char *value) {
    struct bytes command = {0};
    state_command_put(&command, text(key), (uint32_t)strlen(key), text(value), (uint32_t)strlen(value));
    CHECK(apply(state, index, RFT_ENTRY_NORMAL, command.data, command.len) == RFT_OK);
    bytes_free(&command);
}

static rft_status_t collect(void *to, const uint8_t *data, size_t len) {
    bytes_append(to, data, len);
    return RFT_OK;
}

/* Hands out three bytes a call, so that every field is torn somewhere. */
struct drip {
    const struct bytes *bytes;
    size_t at;
};

static rft_status_t drip(void *from, uint8_t *data, size_t cap, size_t *len) {
    struct drip *drip = from;
    size_t left = drip->bytes->len - drip->at;
    *len = left < 3 ? left : 3;
    *len = *len < cap ? *len : cap;
    memcpy(data, drip->bytes->data + drip->at, *len);
    drip->at += *len;
    return RFT_OK;
}

static rft_status_t decode(struct state *state, const struct bytes *bytes) {
    struct drip from = {.bytes = bytes};
    return state_decode(state, drip, &from);
}

static void test_example(void) {
    static const uint8_t COMMAND[] = {1, 2, 0, 0, 0, 'h', 'i', 'y', 'o', 'u'};
    static const uint8_t ENCODED[] = {
        'R', 'F', 'T', 'K', 'V', 0,   0, 1,                                /* magic */
        5,   0,   0,   0,   0,   0,   0, 0,                                /* applied */
        1,   0,   0,   0,                                                  /* members */
        1,   0,   0,   0,   0,   0,   0, 0, 3, 0, 0,   0,   'a', ':', '1', /* 1=a:1 */
        2,   0,   0,   0,   0,   0,   0, 0,                                /* keys */
        1,   0,   0,   0,   'h', 0,   0, 0, 0,                             /* h= */
        2,   0,   0,   0,   'h', 'i', 3, 0, 0, 0, 'y', 'o', 'u',           /* hi=you */
    };
    struct state state = {0};
    struct bytes encoded = {0};
    uint64_t hash;
    CHECK(apply(&state, 2, RFT_ENTRY_CONF_CHANGE, "1=a:1,2=b:2", 11) == RFT_OK);
    CHECK(apply(&state, 3, RFT_ENTRY_NORMAL, COMMAND, sizeof COMMAND) == RFT_OK);
    put(&state, 4, "h", "");
    CHECK(apply(&state, 5, RFT_ENTRY_CONF_CHANGE, "2=", 2) == RFT_OK);
    CHECK(state_encode(&state, collect, &encoded) == RFT_OK);
    CHECK(encoded.len == sizeof ENCODED && memcmp(encoded.data, ENCODED, sizeof ENCODED) == 0);
    CHECK(state_hash(&state, &hash) == RFT_OK && hash == UINT64_C(0xa8275c6f477a803d));

    struct state copy = {0};
    CHECK(decode(&copy, &encoded) == RFT_OK);
    CHECK(copy.applied == 5 && copy.map.count == 2 && strcmp(members_address(&copy.members, 1), "a:1") == 0);
    state_free(&copy);

    /* Every shorter state, and one byte more, is refused. */
    for (encoded.len = 0; encoded.len < sizeof ENCODED; encoded.len++) {
        CHECK(decode(&copy, &encoded) == RFT_E_DECODE);
        state_free(&copy);
    }
    bytes_append(&encoded, "x", 1);
    CHECK(decode(&copy, &encoded) == RFT_E_DECODE);
    state_free(&copy);
    bytes_free(&encoded);
    state_free(&state);
}

/* The order of writing and what was deleted leave no trace, and the map grows. */
static void test_canonical(void) {
    struct state up = {0}, down = {0};
    char key[16];
    uint64_t hash_up, hash_down;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put(&up, 1, key, "value");
        snprintf(key, sizeof key, "key%d", 999 - i);
        put(&down, 1, key, "other");
        put(&down, 1, key, "value");
    }
    struct bytes gone = {0};
    put(&down, 1, "gone", "soon");
    state_command_delete(&gone, text("gone"), 4);
    CHECK(apply(&down, 1, RFT_ENTRY_NORMAL, gone.data, gone.len) == RFT_OK);
    CHECK(up.map.count == 1000 && down.map.count == 1000);
    CHECK(map_find(&down.map, text("gone"), 4) == NULL && map_find(&down.map, text("key7"), 4) != NULL);
    CHECK(state_hash(&up, &hash_up) == RFT_OK && state_hash(&down, &hash_down) == RFT_OK);
    CHECK(hash_up == hash_down);
    put(&up, 1, "key7", "VALUE");
    CHECK(state_hash(&up, &hash_up) == RFT_OK && hash_up != hash_down);
    bytes_free(&gone);
    state_free(&up);
    state_free(&down);
}

static void test_bad_entries(void) {
    static const uint8_t UNKNOWN_OP[] = {9, 1, 0, 0, 0, 'k'};
    static const uint8_t NO_KEY[] = {1, 0, 0, 0, 0, 'v'};
    static const uint8_t LONG_KEY[] = {1, 0xff, 0xff, 0xff, 0xff, 'k'};
    struct state state = {0};
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, UNKNOWN_OP, sizeof UNKNOWN_OP) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, NO_KEY, sizeof NO_KEY) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, LONG_KEY, sizeof LONG_KEY) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, LONG_KEY, 3) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_CONF_CHANGE, "x=y", 3) == RFT_E_DECODE);
    CHECK(state.applied == 0 && state.map.count == 0);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, NULL, 0) == RFT_OK && state.applied == 1);
    state_free(&state);
}

static void test_frames(void) {
    struct bytes body = {0};
    size_t count;
    frames_append(&body, text("one"), 3);
    frames_append(&body, text(""), 0);
    frames_append(&body, text("three"), 5);
    CHECK(body.len == 3 * FRAMES_HEAD + 8 && body.data[7] == 3);
    rft_bytes_t *messages = frames_split(&body, &count);
    CHECK(messages != NULL && count == 3 && messages[2].len == 5 &&
          memcmp(messages[2].data, "three", 5) == 0);
    free(messages);
    body.len--;
    CHECK(frames_split(&body, &count) == NULL);
    body.len = 4;
    CHECK(frames_split(&body, &count) == NULL);
    body.len = FRAMES_HEAD;
    memset(body.data, 0xff, FRAMES_HEAD);
    CHECK(frames_split(&body, &count) == NULL);
    bytes_free(&body);
}

int main(void) {
    test_example();
    test_canonical();
    test_bad_entries();
    test_frames();
    puts("state_test: ok");
    return 0;
}
