#include "members.h"

#include <string.h>

size_t members_find(const struct members *members, uint64_t id) {
    size_t at = 0;
    while (at < members->count && members->items[at].id < id) {
        at++;
    }
    return at;
}

bool members_set(struct members *members, uint64_t id, const char *address, size_t len) {
    size_t at = members_find(members, id);
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
    size_t at = members_find(members, id);
    return at < members->count && members->items[at].id == id ? members->items[at].address : NULL;
}

bool member_id_parse(const char *text, size_t len, uint64_t *id) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (value == 0) {
        return false;
    }
    *id = value;
    return true;
}

static bool is_host(const char *text, size_t len) {
    static const char OTHERS[] = "-._:[]";
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_plain && (c == '\0' || strchr(OTHERS, c) == NULL)) {
            return false;
        }
    }
    return len > 0;
}

bool member_parse(const char *text, size_t len, struct member *member) {
    const char *equals = memchr(text, '=', len);
    size_t id_len = equals != NULL ? (size_t)(equals - text) : 0;
    if (!member_id_parse(text, id_len, &member->id)) {
        return false;
    }
    const char *address = equals + 1;
    size_t address_len = len - id_len - 1, host_len = address_len;
    while (host_len > 0 && address[host_len - 1] != ':') {
        host_len--;
    }
    uint64_t port;
    if (host_len == 0 || address_len > MEMBER_ADDRESS_MAX || !is_host(address, host_len - 1) ||
        !member_id_parse(address + host_len, address_len - host_len, &port) || port > UINT16_MAX) {
        return false;
    }
    memcpy(member->address, address, address_len);
    member->address[address_len] = '\0';
    return true;
}

static bool take_list(struct members *members, const char *text, size_t len, bool has_to_fit) {
    const char *end = text + len;
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma != NULL ? comma : end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        size_t address_len = equals != NULL ? (size_t)(stop - equals - 1) : 0;
        uint64_t id;
        if (equals == NULL || !member_id_parse(text, (size_t)(equals - text), &id) ||
            address_len > MEMBER_ADDRESS_MAX ||
            (!members_set(members, id, equals + 1, address_len) && has_to_fit)) {
            return false;
        }
        text = comma != NULL ? comma + 1 : end;
    }
    return true;
}

bool members_parse(struct members *members, const char *text, size_t len) {
    return take_list(members, text, len, true);
}

bool members_follow(struct members *members, const char *text, size_t len) {
    return take_list(members, text, len, false);
}
