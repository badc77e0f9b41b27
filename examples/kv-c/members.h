/* The address book: which node answers where. A small value, copied freely. */
#ifndef KV_MEMBERS_H
#define KV_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBERS_MAX 64
#define MEMBER_ADDRESS_MAX 255

struct member {
    uint64_t id;
    char address[MEMBER_ADDRESS_MAX + 1]; /* host:port */
};

/* Sorted by id. All zero is an empty book. */
struct members {
    size_t count;
    struct member items[MEMBERS_MAX];
};

/* Adds or replaces an address; one of length 0 forgets the member. False when the book is full or the
 * address too long. */
bool members_set(struct members *members, uint64_t id, const char *address, size_t len);
/* Where the member is in `items`, or where it would be. */
size_t members_find(const struct members *members, uint64_t id);
/* NULL when unknown. Borrowed until the book changes. */
const char *members_address(const struct members *members, uint64_t id);
/* Takes over a list such as "1=127.0.0.1:7001,2=127.0.0.1:7002"; "2=" forgets node 2. False at the first
 * item that cannot be understood: the ones before it are taken over. */
bool members_parse(struct members *members, const char *text, size_t len);
/* The same for a change that has been made, and nobody can refuse any more: an address for which the book
 * has no room is left out, by every node alike. */
bool members_follow(struct members *members, const char *text, size_t len);
/* A decimal number of at least 1. False when the text is anything else. */
bool member_id_parse(const char *text, size_t len, uint64_t *id);
/* "4=127.0.0.1:7004", with a host of letters, digits and -._:[] and a port of 1 to 65535; else false. */
bool member_parse(const char *text, size_t len, struct member *member);

#endif
