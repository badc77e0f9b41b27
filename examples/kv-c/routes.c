#include "routes.h"

#include <string.h>

#include "frames.h"

#define KV_PREFIX "/kv/"
#define TRANSFER_PREFIX "/transfer/"
#define SMALL_BODY_MAX (64u << 10)

static bool is(const char *text, const char *other) {
    return strcmp(text, other) == 0;
}

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- /kv/KEY ---- */

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

/* Proposes, at the leader wherever that is, and waits until the command is applied there: a majority has it
 * on disk. */
static enum MHD_Result write_command(struct request *request, struct bytes *command) {
    struct node *node = request->node;
    if (command->failed) {
        bytes_free(command);
        return reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out; nothing was done");
    }
    rft_error_t *error = NULL;
    rft_status_t status =
        rft_engine_propose_wait(node->engine, command->data, command->len, WAIT_MS, NULL, &error);
    bytes_free(command);
    node->counters.writes += status == RFT_OK;
    return reply_status(request, status, error);
}

static enum MHD_Result read_key(struct request *request, const uint8_t *key, uint32_t key_len) {
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
    bool found = kv_get(node->kv, key, key_len, &value);
    node->counters.reads++;
    if (value.failed) {
        result = reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out");
    } else if (!found) {
        result = reply_text(request, MHD_HTTP_NOT_FOUND, "there is no such key");
    } else {
        result = reply(request, MHD_HTTP_OK, "application/octet-stream", &value);
    }
    bytes_free(&value);
    return result;
}

static enum MHD_Result route_kv(struct request *request) {
    uint8_t key[KEY_MAX];
    uint32_t key_len = 0;
    unsigned status = parse_key(request->path + strlen(KV_PREFIX), key, &key_len);
    if (status != MHD_HTTP_OK) {
        return reply_text(request, status, "a key has 1 to 1024 bytes, with percent signs where needed");
    }
    struct bytes command = {0};
    if (is(request->method, "PUT")) {
        state_command_put(&command, key, key_len, request->body.data, (uint32_t)request->body.len);
        return write_command(request, &command);
    }
    if (is(request->method, "DELETE")) {
        state_command_delete(&command, key, key_len);
        return write_command(request, &command);
    }
    if (is(request->method, "GET")) {
        return read_key(request, key, key_len);
    }
    return reply_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "a key takes PUT, GET and DELETE");
}

/* ---- small ones ---- */

static enum MHD_Result route_snapshot(struct request *request) {
    rft_error_t *error = NULL;
    rft_status_t status = rft_engine_snapshot(request->node->engine, 0, &error);
    return status == RFT_OK ? reply_text(request, MHD_HTTP_ACCEPTED, "a snapshot is under way")
                            : reply_status(request, status, error);
}

static enum MHD_Result route_transfer(struct request *request) {
    struct node *node = request->node;
    const char *text = request->path + strlen(TRANSFER_PREFIX);
    uint64_t to;
    if (!member_id_parse(text, strlen(text), &to)) {
        return reply_text(request, MHD_HTTP_BAD_REQUEST, "the path ends with the id of the new leader");
    }
    rft_node_status_t now;
    rft_error_t *error = NULL;
    rft_status_t status = rft_engine_status(node->engine, &now, &error);
    if (status == RFT_OK && now.role != RFT_ROLE_LEADER) {
        return reply_leader(request, now.leader);
    }
    if (status == RFT_OK) {
        status = rft_engine_transfer_leader(node->engine, to, 0, &error);
    }
    return status == RFT_OK ? reply_text(request, MHD_HTTP_ACCEPTED, "the transfer is under way")
                            : reply_status(request, status, error);
}

/* ---- the table ---- */

static const struct {
    const char *path, *method;
    size_t body_max;
    enum MHD_Result (*run)(struct request *);
} ROUTES[] = {
    {"/status", "GET", 0, route_status},
    {"/members", "POST", SMALL_BODY_MAX, route_members},
    {"/snapshot", "POST", SMALL_BODY_MAX, route_snapshot},
    {"/raft", "POST", FRAMES_BODY_MAX, route_raft},
};
#define ROUTES_COUNT (sizeof ROUTES / sizeof ROUTES[0])

size_t route_body_max(const char *method, const char *path) {
    if (begins(path, KV_PREFIX)) {
        return is(method, "PUT") ? VALUE_MAX : 0;
    }
    for (size_t i = 0; i < ROUTES_COUNT; i++) {
        if (is(path, ROUTES[i].path)) {
            return ROUTES[i].body_max;
        }
    }
    return SMALL_BODY_MAX;
}

enum MHD_Result route(struct request *request) {
    if (request->too_large) {
        return reply_text(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    }
    if (request->body.failed) {
        return reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is out; nothing was done");
    }
    if (begins(request->path, KV_PREFIX)) {
        return route_kv(request);
    }
    for (size_t i = 0; i < ROUTES_COUNT; i++) {
        if (is(request->path, ROUTES[i].path)) {
            return is(request->method, ROUTES[i].method)
                       ? ROUTES[i].run(request)
                       : reply_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, ROUTES[i].method);
        }
    }
    if (begins(request->path, TRANSFER_PREFIX)) {
        return is(request->method, "POST") ? route_transfer(request)
                                           : reply_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "POST");
    }
    return reply_text(request, MHD_HTTP_NOT_FOUND, "there is no such path");
}
