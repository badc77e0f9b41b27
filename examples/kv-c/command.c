#include "command.h"

#include <string.h>

#define OP_PUT 1
#define OP_DELETE 2
#define OP_PUT_IF 3
#define OP_DELETE_IF 4
#define HEAD_LEN 5 /* op u8, key_len u32 */
#define REVISION_LEN 8

void command_append(struct bytes *out, const struct command *command) {
    uint8_t op = command->deletes ? OP_DELETE : OP_PUT;
    if (command->conditional) {
        op = command->deletes ? OP_DELETE_IF : OP_PUT_IF;
    }
    bytes_append(out, &op, 1);
    bytes_append_u32_le(out, command->key_len);
    bytes_append(out, command->key, command->key_len);
    if (command->conditional) {
        bytes_append_u64_le(out, command->revision);
    }
    if (!command->deletes) {
        bytes_append(out, command->value, command->value_len);
    }
}

bool command_parse(struct command *command, const uint8_t *data, size_t len) {
    /* An op of a newer program is refused too: to skip it would be to differ from the nodes that know it. */
    if (len < HEAD_LEN || data[0] < OP_PUT || data[0] > OP_DELETE_IF) {
        return false;
    }
    *command = (struct command){
        .deletes = data[0] == OP_DELETE || data[0] == OP_DELETE_IF,
        .conditional = data[0] == OP_PUT_IF || data[0] == OP_DELETE_IF,
        .key = data + HEAD_LEN,
        .key_len = (uint32_t)load_le(data + 1, 4),
    };
    size_t rest = len - HEAD_LEN;
    if (command->key_len == 0 || command->key_len > KEY_MAX || command->key_len > rest) {
        return false;
    }
    command->value = command->key + command->key_len;
    rest -= command->key_len;
    if (command->conditional) {
        if (rest < REVISION_LEN) {
            return false;
        }
        command->revision = load_le(command->value, REVISION_LEN);
        command->value += REVISION_LEN;
        rest -= REVISION_LEN;
    }
    command->value_len = (uint32_t)rest;
    return rest <= (command->deletes ? 0 : VALUE_MAX);
}

void answer_store(const struct answer *answer, uint8_t out[ANSWER_LEN]) {
    out[0] = answer->done ? 1 : 0;
    for (size_t i = 1; i < ANSWER_LEN; i++) {
        out[i] = (uint8_t)(answer->revision >> (8 * (i - 1)));
    }
}

bool answer_parse(struct answer *answer, const uint8_t *data, size_t len) {
    if (len != ANSWER_LEN || data[0] > 1) {
        return false;
    }
    *answer = (struct answer){.done = data[0] == 1, .revision = load_le(data + 1, ANSWER_LEN - 1)};
    return true;
}
