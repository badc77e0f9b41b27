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
    bool has_answer;
    struct answer answer;
    rft_status_t status = state_apply(state, &entry, &has_answer, &answer);
    CHECK(has_answer == (status == RFT_OK && type == RFT_ENTRY_NORMAL && len > 0));
    return status;
}

/* Applies a command and gives its answer. */
static struct answer run(struct state *state, uint64_t index, const struct command *command) {
    struct bytes bytes = {0};
    bool has_answer;
    struct answer answer;
    command_append(&bytes, command);
    rft_entry_t entry = {.index = index, .term = 1, .data = bytes.data, .len = bytes.len};
    CHECK(state_apply(state, &entry, &has_answer, &answer) == RFT_OK && has_answer);
    bytes_free(&bytes);
    return answer;
}

static void put(struct state *state, uint64_t index, const char *key, const char *value) {
    struct answer answer = run(state, index,
                               &(struct command){.key = text(key),
                                                 .key_len = (uint32_t)strlen(key),
                                                 .value = text(value),
                                                 .value_len = (uint32_t)strlen(value)});
    CHECK(answer.done && answer.revision == index);
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
        'R', 'F', 'T', 'K', 'V', 0,   0, 2,                            /* magic */
        5,   0,   0,   0,   0,   0,   0, 0,                            /* applied */
        1,   0,   0,   0,                                              /* members */
        1,   0,   0,   0,   0,   0,   0, 0, 3, 0, 0, 0, 'a', ':', '1', /* 1=a:1 */
        2,   0,   0,   0,   0,   0,   0, 0,                            /* keys */
        1,   0,   0,   0,   'h',                                       /* h */
        4,   0,   0,   0,   0,   0,   0, 0, 0, 0, 0, 0,                /* of revision 4, empty */
        2,   0,   0,   0,   'h', 'i',                                  /* hi */
        5,   0,   0,   0,   0,   0,   0, 0, 3, 0, 0, 0, 'y', 'o', 'u', /* of revision 5, you */
    };
    struct state state = {0};
    struct bytes encoded = {0};
    uint64_t hash;
    CHECK(apply(&state, 2, RFT_ENTRY_CONF_CHANGE, "1=a:1,2=b:2", 11) == RFT_OK);
    CHECK(apply(&state, 3, RFT_ENTRY_CONF_CHANGE, "2=", 2) == RFT_OK);
    put(&state, 4, "h", "");
    CHECK(apply(&state, 5, RFT_ENTRY_NORMAL, COMMAND, sizeof COMMAND) == RFT_OK);
    CHECK(state_encode(&state, collect, &encoded) == RFT_OK);
    CHECK(encoded.len == sizeof ENCODED && memcmp(encoded.data, ENCODED, sizeof ENCODED) == 0);
    CHECK(state_hash(&state, &hash) == RFT_OK && hash == UINT64_C(0x584b294d742c33d5));

    struct state copy = {0};
    CHECK(decode(&copy, &encoded) == RFT_OK);
    CHECK(copy.applied == 5 && copy.map.count == 2 && strcmp(members_address(&copy.members, 1), "a:1") == 0);
    CHECK(map_find(&copy.map, text("h"), 1)->revision == 4 &&
          map_find(&copy.map, text("hi"), 2)->revision == 5);
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
    put(&down, 1, "gone", "soon");
    struct answer answer =
        run(&down, 1, &(struct command){.deletes = true, .key = text("gone"), .key_len = 4});
    CHECK(answer.done && answer.revision == 0);
    CHECK(up.map.count == 1000 && down.map.count == 1000);
    CHECK(map_find(&down.map, text("gone"), 4) == NULL && map_find(&down.map, text("key7"), 4) != NULL);
    CHECK(state_hash(&up, &hash_up) == RFT_OK && state_hash(&down, &hash_down) == RFT_OK);
    CHECK(hash_up == hash_down);
    put(&up, 1, "key7", "VALUE");
    CHECK(state_hash(&up, &hash_up) == RFT_OK && hash_up != hash_down);
    put(&up, 2, "key7", "value");
    CHECK(state_hash(&up, &hash_up) == RFT_OK && hash_up != hash_down);
    state_free(&up);
    state_free(&down);
}

/* Writes that ask for a revision, and the bytes of the commands and of their answers. */
static void test_conditions(void) {
    static const uint8_t PUT_IF[] = {3, 1, 0, 0, 0, 'k', 4, 0, 0, 0, 0, 0, 0, 0, 'v'};
    static const uint8_t DELETE_IF[] = {4, 1, 0, 0, 0, 'k', 7, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t REFUSED[] = {0, 0x34, 0x12, 0, 0, 0, 0, 0, 0};
    struct state state = {0};
    struct command command = {
        .conditional = true, .key = text("k"), .key_len = 1, .value = text("v"), .value_len = 1};
    struct answer answer = run(&state, 4, &command);
    CHECK(answer.done && answer.revision == 4); /* there was none, as revision 0 asks */
    answer = run(&state, 5, &command);
    CHECK(!answer.done && answer.revision == 4 && state.applied == 5);
    command.revision = 4;
    struct bytes bytes = {0};
    command_append(&bytes, &command);
    CHECK(bytes.len == sizeof PUT_IF && memcmp(bytes.data, PUT_IF, sizeof PUT_IF) == 0);
    answer = run(&state, 6, &command);
    CHECK(answer.done && answer.revision == 6);

    command =
        (struct command){.deletes = true, .conditional = true, .revision = 4, .key = text("k"), .key_len = 1};
    answer = run(&state, 7, &command);
    CHECK(!answer.done && answer.revision == 6);
    command.revision = 7;
    bytes_clear(&bytes);
    command_append(&bytes, &command);
    CHECK(bytes.len == sizeof DELETE_IF && memcmp(bytes.data, DELETE_IF, sizeof DELETE_IF) == 0);
    command.revision = 6;
    answer = run(&state, 8, &command);
    CHECK(answer.done && answer.revision == 0 && state.map.count == 0);
    answer = run(&state, 9, &command);
    CHECK(!answer.done && answer.revision == 0);

    uint8_t stored[ANSWER_LEN];
    answer_store(&(struct answer){.done = false, .revision = 0x1234}, stored);
    CHECK(memcmp(stored, REFUSED, sizeof REFUSED) == 0);
    CHECK(answer_parse(&answer, stored, sizeof stored) && !answer.done && answer.revision == 0x1234);
    CHECK(!answer_parse(&answer, stored, sizeof stored - 1) && !answer_parse(&answer, NULL, 0));
    bytes_free(&bytes);
    state_free(&state);
}

static void test_bad_entries(void) {
    static const uint8_t UNKNOWN_OP[] = {9, 1, 0, 0, 0, 'k'};
    static const uint8_t NO_KEY[] = {1, 0, 0, 0, 0, 'v'};
    static const uint8_t NO_REVISION[] = {3, 1, 0, 0, 0, 'k', 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t DELETES_A_VALUE[] = {2, 1, 0, 0, 0, 'k', 'v'};
    static const uint8_t LONG_KEY[] = {1, 0xff, 0xff, 0xff, 0xff, 'k'};
    struct state state = {0};
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, UNKNOWN_OP, sizeof UNKNOWN_OP) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, NO_KEY, sizeof NO_KEY) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, NO_REVISION, sizeof NO_REVISION) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, DELETES_A_VALUE, sizeof DELETES_A_VALUE) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, LONG_KEY, sizeof LONG_KEY) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, LONG_KEY, 3) == RFT_E_DECODE);
    CHECK(apply(&state, 1, RFT_ENTRY_CONF_CHANGE, "x=y", 3) == RFT_E_DECODE);
    CHECK(state.applied == 0 && state.map.count == 0);
    CHECK(apply(&state, 1, RFT_ENTRY_NORMAL, NULL, 0) == RFT_OK && state.applied == 1);
    state_free(&state);
}

/* A change of the membership has been made when it is applied: a full book must not end every node. */
static void test_full_book(void) {
    struct state state = {0};
    char item[16];
    for (int i = 1; i <= MEMBERS_MAX; i++) {
        int len = snprintf(item, sizeof item, "%d=a:1", i);
        CHECK(apply(&state, 1, RFT_ENTRY_CONF_CHANGE, item, (size_t)len) == RFT_OK);
    }
    struct members book = state.members;
    CHECK(!members_parse(&book, "99=a:1", 6));
    CHECK(apply(&state, 2, RFT_ENTRY_CONF_CHANGE, "98=a:1,1=,99=b:1,2=c:1", 22) == RFT_OK);
    CHECK(state.applied == 2 && state.members.count == MEMBERS_MAX);
    CHECK(members_address(&state.members, 98) == NULL && members_address(&state.members, 1) == NULL);
    CHECK(strcmp(members_address(&state.members, 99), "b:1") == 0);
    CHECK(strcmp(members_address(&state.members, 2), "c:1") == 0);
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
    test_conditions();
    test_bad_entries();
    test_full_book();
    test_frames();
    puts("state_test: ok");
    return 0;
}
