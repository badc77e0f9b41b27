/* POST /raft: messages of the other nodes, one bare or many in frames. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "routes.h"

/* rafthttp writes ids as hex without 0x. */
static bool parse_hex(const char *text, uint64_t *value) {
    if (text == NULL || strspn(text, "0123456789abcdefABCDEF") != strlen(text) || *text == '\0') {
        return false;
    }
    errno = 0;
    unsigned long long parsed = strtoull(text, NULL, 16);
    *value = parsed;
    return errno == 0;
}

/* Hands all messages to the engine. One that speaks of a node unknown here is passed over: it may come from
 * a member that was removed a moment ago, and says nothing about the messages behind it. */
static rft_status_t step(const struct request *request, const rft_bytes_t *messages, size_t count,
                         rft_error_t **error) {
    /* Every call looks at all it is given. Where there are many to pass over, they come in pieces: else each
     * would cost as much as all of them. */
    size_t at = 0, most = count;
    while (at < count) {
        size_t done = 0, n = count - at < most ? count - at : most;
        rft_status_t status =
            rft_engine_step_from(request->node->engine, request->from, messages + at, n, &done, error);
        if (status == RFT_OK) {
            at += n;
            most = n < count / 2 ? 2 * n : count;
        } else if (status == RFT_E_UNKNOWN_PEER) {
            at += done + 1;
            most = 1;
            rft_error_free(*error);
            *error = NULL;
        } else {
            return status;
        }
    }
    return RFT_OK;
}

static enum MHD_Result answer(struct request *request, rft_status_t status, rft_error_t *error) {
    const char *why = error != NULL ? rft_error_message(error) : rft_status_str(status);
    enum MHD_Result result;
    switch (status) {
    case RFT_OK:
        result = reply_empty(request, MHD_HTTP_NO_CONTENT);
        break;
    case RFT_E_DECODE:
    case RFT_E_LOCAL_MESSAGE:
    case RFT_E_WRONG_RECEIVER:
    case RFT_E_WRONG_SENDER:
    case RFT_E_INVALID_ARG: /* a sender that is no id */
        result = reply_text(request, MHD_HTTP_BAD_REQUEST, why);
        break;
    case RFT_E_BUSY:
        result = reply_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, why);
        break;
    default:
        result = reply_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, why);
        break;
    }
    rft_error_free(error);
    return result;
}

enum MHD_Result route_raft_head(struct request *request) {
    uint64_t cluster_id;
    const struct node *node = request->node;
    if (!parse_hex(request_header(request, "X-Etcd-Cluster-ID"), &cluster_id) ||
        cluster_id != node->cluster_id) {
        return reply_text(request, MHD_HTTP_PRECONDITION_FAILED, "cluster ID mismatch");
    }
    if (!parse_hex(request_header(request, "X-Server-From"), &request->from)) {
        return reply_text(request, MHD_HTTP_BAD_REQUEST, "X-Server-From is not a node's id in hex");
    }
    if (node->tls.authority != NULL && !tls_is_node(request->connection, request->from)) {
        return reply_text(request, MHD_HTTP_FORBIDDEN,
                          "the certificate is not that of the node in X-Server-From");
    }
    return MHD_YES;
}

enum MHD_Result route_raft(struct request *request) {
    const char *content_type = request_header(request, "Content-Type");
    rft_error_t *error = NULL;
    if (content_type == NULL || strcmp(content_type, CONTENT_TYPE_FRAMES) != 0) {
        rft_bytes_t one = {.data = request->body.data, .len = request->body.len};
        rft_status_t status = step(request, &one, 1, &error);
        return answer(request, status, error);
    }
    size_t count;
    rft_bytes_t *messages = frames_split(&request->body, &count);
    if (messages == NULL) {
        return reply_text(request, MHD_HTTP_BAD_REQUEST, "the body is not whole frames");
    }
    rft_status_t status = step(request, messages, count, &error);
    free(messages);
    return answer(request, status, error);
}
