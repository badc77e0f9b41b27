/* One change of the membership: its steps, and what they do to every node's address book. */
#ifndef KV_CHANGES_H
#define KV_CHANGES_H

#include <rft.h>

#include "bytes.h"
#include "members.h"

/* To put one full list in the place of another. */
#define CHANGES_MAX (2 * MEMBERS_MAX)

/* All zero is no change. */
struct changes {
    rft_change_t items[CHANGES_MAX];
    size_t count;
    struct bytes addresses; /* the change's context: "4=127.0.0.1:7004,2=" */
};

/* False when there are too many. */
bool changes_add(struct changes *changes, int32_t type, uint64_t id);
/* Gives a node an address; one of length 0 forgets the node. */
void changes_address(struct changes *changes, uint64_t id, const char *address, size_t len);
void changes_free(struct changes *changes);

#endif
