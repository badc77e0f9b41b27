#include "members.h"

#include <string.h>

bool members_set(struct members *members, uint64_t id, const char *address, size_t len) {
    size_t at = 0;
    while (at < members->count && members->items[at].id < id) {
        at++;
    }
    struct member *item = &members->items[at];
    bool known = at < members->count && item->id == id;
    size_t behind = members->count - at;
    if (len == 0) {
        if (known) {
            memmove(item, item + 1, (behind - 1) * sizeof *item);
            members->count--;
        }
        return true;
    }
    if (len > MEMBER_ADDRESS_MAX || (!known && members->count == MEMBERS_MAX)) {
        return false;
    }
    if (!known) {
        memmove(item + 1, item, behind * sizeof *item);
        members->count++;
    }
    item->id = id;
    memcpy(item->address, address, len);
    item->address[len] = '\0';
    return true;
}

const char *members_address(const struct members *members, uint64_t id) {
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].id == id) {
            return members->items[i].address;
        }
    }
    return NULL;
}

bool member_id_parse(const char *text, size_t len, uint64_t *id) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value == 0) {
        return false;
    }
    *id = value;
    return true;
}

bool members_parse(struct members *members, const char *text, size_t len) {
    const char *end = text + len;
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma != NULL ? comma : end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        uint64_t id;
        if (equals == NULL || !member_id_parse(text, (size_t)(equals - text), &id) ||
            !members_set(members, id, equals + 1, (size_t)(stop - equals - 1))) {
            return false;
        }
        text = comma != NULL ? comma + 1 : end;
    }
    return true;
}
