#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct bytes *bytes, size_t more) {
    if (bytes->failed || more > SIZE_MAX / 2 - bytes->len) {
        bytes->failed = true;
        return false;
    }
    size_t need = bytes->len + more;
    if (need <= bytes->cap) {
        return true;
    }
    size_t cap = bytes->cap < 256 ? 256 : bytes->cap;
    while (cap < need) {
        cap *= 2;
    }
    uint8_t *data = realloc(bytes->data, cap);
    if (data == NULL) {
        bytes->failed = true;
        return false;
    }
    bytes->data = data;
    bytes->cap = cap;
    return true;
}

void bytes_append(struct bytes *bytes, const void *data, size_t len) {
    if (len > 0 && reserve(bytes, len)) {
        memcpy(bytes->data + bytes->len, data, len);
        bytes->len += len;
    }
}

static void append_le(struct bytes *bytes, uint64_t value, size_t len) {
    uint8_t out[8];
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
    bytes_append(bytes, out, len);
}

void bytes_append_u32_le(struct bytes *bytes, uint32_t value) {
    append_le(bytes, value, 4);
}

void bytes_append_u64_le(struct bytes *bytes, uint64_t value) {
    append_le(bytes, value, 8);
}

uint64_t load_le(const uint8_t *data, size_t len) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value |= (uint64_t)data[i] << (8 * i);
    }
    return value;
}

void bytes_append_u64_be(struct bytes *bytes, uint64_t value) {
    uint8_t out[8];
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
    bytes_append(bytes, out, sizeof out);
}

void bytes_append_text(struct bytes *bytes, const char *text) {
    bytes_append(bytes, text, strlen(text));
}

void bytes_printf(struct bytes *bytes, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text) {
        bytes->failed = true;
        return;
    }
    bytes_append(bytes, text, (size_t)len);
}

void bytes_append_json(struct bytes *bytes, const char *text) {
    bytes_append(bytes, "\"", 1);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            bytes_append(bytes, "\\", 1);
            bytes_append(bytes, at, 1);
        } else if (c < 0x20) {
            bytes_printf(bytes, "\\u%04x", c);
        } else {
            bytes_append(bytes, at, 1);
        }
    }
    bytes_append(bytes, "\"", 1);
}

void bytes_clear(struct bytes *bytes) {
    bytes->len = 0;
}

void bytes_free(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}
