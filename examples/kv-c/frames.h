/* Many messages in one body: each behind its length, 8 bytes big-endian, as rafthttp's streams have it. */
#ifndef KV_FRAMES_H
#define KV_FRAMES_H

#include <rft.h>

#include "bytes.h"

#define FRAMES_BODY_MAX (64u << 20)
#define FRAMES_HEAD 8
#define CONTENT_TYPE_MESSAGE "application/protobuf"     /* one message, bare */
#define CONTENT_TYPE_FRAMES "application/x-raft-frames" /* any number of frames */

void frames_append(struct bytes *body, const uint8_t *message, size_t len);

/* The messages of a body, pointing into it; to be freed. NULL, and *count SIZE_MAX, when memory is out or
 * the body is not whole frames. */
rft_bytes_t *frames_split(const struct bytes *body, size_t *count);

#endif
