/* One request with its whole body, and the ways to answer it. */
#ifndef KV_REQUEST_H
#define KV_REQUEST_H

#include <microhttpd.h>

#include "node.h"

struct request {
    struct node *node;
    struct MHD_Connection *connection;
    const char *method, *path; /* the path as sent: percent signs and all */
    struct bytes body;
    size_t body_max;
    bool too_large;
    uint64_t from;     /* the node that sends messages, by its word and its certificate */
    uint64_t revision; /* of the key, for the answer's ETag; 0 is none */
};

const char *request_header(const struct request *request, const char *name);
/* False where a header makes no sense, or a condition or a length stands there twice: what MHD makes of
 * these may be less than what was asked for, such as a write without its condition. */
bool request_is_sound(const struct request *request);
/* Whether the query has `name` with exactly `value`. */
bool request_asks(const struct request *request, const char *name, const char *value);
/* Steps through the lines of a body: `at` begins at 0. False behind the last one. */
bool request_line(const struct bytes *body, size_t *at, const char **line, size_t *len);

/* Each answers once; the result goes back to libmicrohttpd. */
enum MHD_Result reply(const struct request *request, unsigned status, const char *content_type,
                      const struct bytes *body);
enum MHD_Result reply_empty(const struct request *request, unsigned status);
enum MHD_Result reply_text(const struct request *request, unsigned status, const char *text);
/* To the leader, with the same path and query; 503 with Retry-After when none is known. */
enum MHD_Result reply_leader(const struct request *request, uint64_t leader);
/* What a call of the library ended with, RFT_OK included; frees the error. */
enum MHD_Result reply_status(const struct request *request, rft_status_t status, rft_error_t *error);

#endif
