/* A growing run of bytes: request bodies, commands, frames and JSON are all built in one. */
#ifndef KV_BYTES_H
#define KV_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty run. Once memory is out `failed` stays set and nothing more is appended, so that a
 * caller may append many times and look once at the end. */
struct bytes {
    uint8_t *data;
    size_t len, cap;
    bool failed;
};

void bytes_append(struct bytes *bytes, const void *data, size_t len);
void bytes_append_u32_le(struct bytes *bytes, uint32_t value);
void bytes_append_u64_le(struct bytes *bytes, uint64_t value);
void bytes_append_u64_be(struct bytes *bytes, uint64_t value);
void bytes_append_text(struct bytes *bytes, const char *text);
void bytes_printf(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text in quotes, escaped as JSON wants it. */
void bytes_append_json(struct bytes *bytes, const char *text);
/* The inverse of bytes_append_u32_le and bytes_append_u64_le: `len` is up to 8. */
uint64_t load_le(const uint8_t *data, size_t len);
void bytes_clear(struct bytes *bytes);
void bytes_free(struct bytes *bytes);

#endif
