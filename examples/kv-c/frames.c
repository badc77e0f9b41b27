#include "frames.h"

#include <stdlib.h>

void frames_append(struct bytes *body, const uint8_t *message, size_t len) {
    bytes_append_u64_be(body, len);
    bytes_append(body, message, len);
}

/* Steps over one frame. False when what is left does not hold a whole one. */
static bool next(const struct bytes *body, size_t *at, rft_bytes_t *message) {
    if (body->len - *at < FRAMES_HEAD) {
        return false;
    }
    uint64_t len = 0;
    for (size_t i = 0; i < FRAMES_HEAD; i++) {
        len = len << 8 | body->data[*at + i];
    }
    *at += FRAMES_HEAD;
    if (len > body->len - *at) {
        return false;
    }
    *message = (rft_bytes_t){.data = body->data + *at, .len = (size_t)len};
    *at += (size_t)len;
    return true;
}

rft_bytes_t *frames_split(const struct bytes *body, size_t *count) {
    rft_bytes_t message;
    size_t n = 0;
    *count = SIZE_MAX;
    for (size_t at = 0; at < body->len; n++) {
        if (!next(body, &at, &message)) {
            return NULL;
        }
    }
    rft_bytes_t *messages = calloc(n + 1, sizeof *messages);
    if (messages == NULL) {
        return NULL;
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        next(body, &at, &messages[i]);
    }
    *count = n;
    return messages;
}
