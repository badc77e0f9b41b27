#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *request_header(const struct request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* How often each of these stands there. */
struct headers {
    bool has_bad_name;
    unsigned conditions, lengths;
};

static enum MHD_Result look_at(void *user, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind, (void)value;
    static const char TOKEN[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct headers *headers = user;
    headers->has_bad_name |= *name == '\0' || name[strspn(name, TOKEN)] != '\0';
    headers->conditions += strcasecmp(name, "If-Match") == 0 || strcasecmp(name, "If-None-Match") == 0;
    headers->lengths += strcasecmp(name, "Content-Length") == 0;
    return MHD_YES;
}

bool request_is_sound(const struct request *request) {
    struct headers headers = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at, &headers);
    return !headers.has_bad_name && headers.conditions <= 1 && headers.lengths <= 1;
}

bool request_asks(const struct request *request, const char *name, const char *value) {
    const char *given = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return given != NULL && strcmp(given, value) == 0;
}

bool request_line(const struct bytes *body, size_t *at, const char **line, size_t *len) {
    size_t left = body->len - *at;
    if (left == 0) {
        return false;
    }
    *line = (const char *)body->data + *at;
    const char *newline = memchr(*line, '\n', left);
    *len = newline != NULL ? (size_t)(newline - *line) : left;
    *at += newline != NULL ? *len + 1 : *len;
    return true;
}

struct header {
    const char *name, *value; /* NULL name: none */
};

static enum MHD_Result send_reply(const struct request *request, unsigned status, const void *data,
                                  size_t len, struct header first, struct header second) {
    /* MUST_COPY only reads, though its parameter is not const. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    if (first.name != NULL) {
        MHD_add_response_header(response, first.name, first.value);
    }
    if (second.name != NULL) {
        MHD_add_response_header(response, second.name, second.value);
    }
    if (request->revision != 0) {
        char tag[24];
        snprintf(tag, sizeof tag, "\"%" PRIu64 "\"", request->revision);
        MHD_add_response_header(response, "ETag", tag);
    }
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static const struct header NONE = {NULL, NULL};
static const struct header PLAIN = {"Content-Type", "text/plain; charset=utf-8"};
static const struct header RETRY = {"Retry-After", "1"};

enum MHD_Result reply(const struct request *request, unsigned status, const char *content_type,
                      const struct bytes *body) {
    struct header type = {"Content-Type", content_type};
    return send_reply(request, status, body->data, body->len, type, NONE);
}

enum MHD_Result reply_empty(const struct request *request, unsigned status) {
    return send_reply(request, status, "", 0, NONE, NONE);
}

enum MHD_Result reply_text(const struct request *request, unsigned status, const char *text) {
    char line[512];
    int len = snprintf(line, sizeof line, "%s\n", text);
    size_t shown = (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
    struct header retry = status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY : NONE;
    return send_reply(request, status, line, shown, PLAIN, retry);
}

enum MHD_Result reply_leader(const struct request *request, uint64_t leader) {
    char address[MEMBER_ADDRESS_MAX + 1], location[4096];
    if (leader == 0 || leader == request->node->id || !peers_address(request->node->peers, leader, address)) {
        return reply_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, "no leader is known; nothing was done");
    }
    const char *scheme = request->node->tls.authority != NULL ? "https" : "http";
    int len = snprintf(location, sizeof location, "%s://%s%s", scheme, address, request->path);
    if (len < 0 || (size_t)len >= sizeof location) {
        return reply_text(request, MHD_HTTP_URI_TOO_LONG, "the path is too long");
    }
    struct header header = {"Location", location};
    return send_reply(request, MHD_HTTP_TEMPORARY_REDIRECT, "", 0, header, NONE);
}

static unsigned http_status(rft_status_t status) {
    switch (status) {
    case RFT_OK:
        return MHD_HTTP_NO_CONTENT;
    case RFT_E_BUSY:
    case RFT_E_DISK_FULL:
    case RFT_E_DROPPED:
        return MHD_HTTP_SERVICE_UNAVAILABLE; /* certain: nothing was done, so trying again is safe */
    case RFT_E_CONF_CHANGE:
    case RFT_E_QUORUM_AT_RISK:
    case RFT_E_LEARNER_BEHIND:
        return MHD_HTTP_CONFLICT;
    case RFT_E_TOO_LARGE:
        return MHD_HTTP_CONTENT_TOO_LARGE;
    case RFT_E_INVALID_ARG:
        return MHD_HTTP_BAD_REQUEST;
    case RFT_E_TIMED_OUT:
    case RFT_E_UNKNOWN:
    case RFT_E_STOPPED:
        return MHD_HTTP_GATEWAY_TIMEOUT;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

enum MHD_Result reply_status(const struct request *request, rft_status_t status, rft_error_t *error) {
    enum MHD_Result result;
    unsigned code = http_status(status);
    if (status == RFT_OK) {
        result = reply_empty(request, code);
    } else if (status == RFT_E_NOT_LEADER) {
        result = reply_leader(request, rft_error_leader(error));
    } else {
        const char *why = error != NULL ? rft_error_message(error) : rft_status_str(status);
        /* A writer has to learn that nobody can tell. A read changes nothing: it may simply be tried again.
         */
        bool unsure = code >= MHD_HTTP_INTERNAL_SERVER_ERROR && code != MHD_HTTP_SERVICE_UNAVAILABLE &&
                      strcmp(request->method, "GET") != 0;
        const char *unknown = unsure ? "the outcome is unknown: " : "";
        char text[512];
        snprintf(text, sizeof text, "%s%s (%s)", unknown, why, rft_status_name(status));
        result = reply_text(request, code, text);
    }
    rft_error_free(error);
    return result;
}
