#include "routes.h"

#include <string.h>

#include "command.h"
#include "frames.h"

#define RAFT_PATH "/raft"
#define TRANSFER_PREFIX "/transfer/"
#define SMALL_BODY_MAX (64u << 10)

static bool is(const char *text, const char *other) {
    return strcmp(text, other) == 0;
}

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
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
    {"/members", "PUT", SMALL_BODY_MAX, route_member_list},
    {"/snapshot", "POST", SMALL_BODY_MAX, route_snapshot},
    {RAFT_PATH, "POST", FRAMES_BODY_MAX, route_raft},
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

enum MHD_Result route_head(struct request *request) {
    return is(request->path, RAFT_PATH) ? route_raft_head(request) : MHD_YES;
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
    bool is_there = begins(request->path, TRANSFER_PREFIX);
    if (is_there && is(request->method, "POST")) {
        return route_transfer(request);
    }
    for (size_t i = 0; i < ROUTES_COUNT; i++) {
        if (is(request->path, ROUTES[i].path)) {
            is_there = true;
            if (is(request->method, ROUTES[i].method)) {
                return ROUTES[i].run(request);
            }
        }
    }
    return is_there ? reply_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "the path takes other methods")
                    : reply_text(request, MHD_HTTP_NOT_FOUND, "there is no such path");
}
