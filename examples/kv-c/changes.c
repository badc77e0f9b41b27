#include "changes.h"

#include <inttypes.h>

bool changes_add(struct changes *changes, int32_t type, uint64_t id) {
    if (changes->count == CHANGES_MAX) {
        return false;
    }
    changes->items[changes->count++] = (rft_change_t){.node_id = id, .type = type};
    return true;
}

void changes_address(struct changes *changes, uint64_t id, const char *address, size_t len) {
    bytes_printf(&changes->addresses, "%s%" PRIu64 "=", changes->addresses.len > 0 ? "," : "", id);
    bytes_append(&changes->addresses, address, len);
}

void changes_free(struct changes *changes) {
    bytes_free(&changes->addresses);
    *changes = (struct changes){0};
}
