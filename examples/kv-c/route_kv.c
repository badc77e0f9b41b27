/* /kv/KEY: writes, with conditions or without, and reads. */
#include <string.h>

#include "routes.h"

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Undoes the percent signs; a key may hold any byte. MHD_HTTP_OK, or the status to refuse it with. */
static unsigned parse_key(const char *text, uint8_t key[KEY_MAX], uint32_t *len) {
    uint32_t n = 0;
    while (*text != '\0') {
        if (n == KEY_MAX) {
            return MHD_HTTP_URI_TOO_LONG;
        }
        uint8_t byte = (uint8_t)*text++;
        if (byte == '%') {
            int high = hex_digit(text[0]);
            int low = high < 0 ? -1 : hex_digit(text[1]);
            if (low < 0) {
                return MHD_HTTP_BAD_REQUEST;
            }
            byte = (uint8_t)(high * 16 + low);
            text += 2;
        }
        key[n++] = byte;
    }
    *len = n;
    return n == 0 ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_OK;
}

/* The revision in an entity tag, "17" with its quotes. Decimal without zeros in front: a revision has one
 * form. */
static bool parse_tag(const char *text, uint64_t *revision) {
    uint64_t value = 0;
    if (*text++ != '"' || *text == '0') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *revision = value;
    return value > 0 && strcmp(text, "\"") == 0;
}

/* What If-Match and If-None-Match ask for. False when that makes no sense. */
static bool parse_condition(const struct request *request, struct command *command) {
    const char *match = request_header(request, "If-Match");
    const char *none_match = request_header(request, "If-None-Match");
    command->conditional = match != NULL || none_match != NULL;
    if (match != NULL) {
        return none_match == NULL && parse_tag(match, &command->revision);
    }
    return none_match == NULL || (!command->deletes && strcmp(none_match, "*") == 0);
}

/* Proposes, at the leader wherever that is, and waits until the command is applied there: a majority has it
 * on disk. */
static enum MHD_Result propose(struct request *request, const struct bytes *command) {
    struct node *node = request->node;
    uint8_t bytes[ANSWER_LEN];
    rft_outcome_t outcome = {0};
    struct answer answer;
    rft_error_t *error = NULL;
    rft_status_t status = rft_engine_call(node->engine, command->data, command->len, WAIT_MS, bytes,
                                          sizeof bytes, &outcome, &error);
    if (status != RFT_OK) {
        return reply_status(request, status, error);
    }
    if (!answer_parse(&answer, bytes, outcome.answer_len)) {
        return reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
                          "the outcome is unknown: the leader gave no answer that this node can read");
    }
    request->revision = answer.revision;
    if (!answer.done) {
        return reply_text(request, MHD_HTTP_PRECONDITION_FAILED,
                          "the key has another revision; nothing was done");
    }
    node->counters.writes++;
    return reply_empty(request, MHD_HTTP_NO_CONTENT);
}

static enum MHD_Result write_key(struct request *request, struct command *command) {
    if (!parse_condition(request, command)) {
        return reply_text(request, MHD_HTTP_BAD_REQUEST,
                          "a write takes If-Match: \"REVISION\", or a PUT takes If-None-Match: *");
    }
    struct bytes bytes = {0};
    command_append(&bytes, command);
    enum MHD_Result result =
        bytes.failed ? reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out; nothing was done")
                     : propose(request, &bytes);
    bytes_free(&bytes);
    return result;
}

static enum MHD_Result read_key(struct request *request, const struct command *command) {
    struct node *node = request->node;
    if (!request_asks(request, "stale", "1")) {
        /* Once this returns, the state here holds all that was acknowledged anywhere before the call. */
        rft_error_t *error = NULL;
        rft_status_t status = rft_engine_read_wait(node->engine, WAIT_MS, NULL, &error);
        if (status != RFT_OK) {
            return reply_status(request, status, error);
        }
    }
    struct bytes value = {0};
    enum MHD_Result result;
    request->revision = kv_get(node->kv, command->key, command->key_len, &value);
    node->counters.reads++;
    if (value.failed) {
        result = reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out");
    } else if (request->revision == 0) {
        result = reply_text(request, MHD_HTTP_NOT_FOUND, "there is no such key");
    } else {
        result = reply(request, MHD_HTTP_OK, "application/octet-stream", &value);
    }
    bytes_free(&value);
    return result;
}

enum MHD_Result route_kv(struct request *request) {
    uint8_t key[KEY_MAX];
    struct command command = {.key = key};
    unsigned status = parse_key(request->path + strlen(KV_PREFIX), key, &command.key_len);
    if (status != MHD_HTTP_OK) {
        return reply_text(request, status, "a key has 1 to 1024 bytes, with percent signs where needed");
    }
    if (strcmp(request->method, "PUT") == 0) {
        command.value = request->body.data;
        command.value_len = (uint32_t)request->body.len;
        return write_key(request, &command);
    }
    if (strcmp(request->method, "DELETE") == 0) {
        command.deletes = true;
        return write_key(request, &command);
    }
    if (strcmp(request->method, "GET") == 0) {
        return read_key(request, &command);
    }
    return reply_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "a key takes PUT, GET and DELETE");
}
