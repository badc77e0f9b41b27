/* PUT /members: the membership as a whole. One joint change leads there from whatever it was. */
#include <string.h>

#include "changes.h"
#include "clock.h"
#include "routes.h"

#define LEARNER "learner "
#define LOOK_AGAIN_MS 10

struct wanted {
    struct members members;
    bool learns[MEMBERS_MAX]; /* the member at the same place; else it votes */
};

/* ---- what is wanted ---- */

/* "4=127.0.0.1:7004", "learner 5=127.0.0.1:7005" */
static bool parse_line(struct wanted *wanted, const char *line, size_t len) {
    struct member member;
    size_t word = strlen(LEARNER);
    bool learns = len > word && memcmp(line, LEARNER, word) == 0;
    size_t skip = learns ? word : 0;
    size_t before = wanted->members.count;
    if (!member_parse(line + skip, len - skip, &member) ||
        !members_set(&wanted->members, member.id, member.address, strlen(member.address)) ||
        wanted->members.count == before) {
        return false;
    }
    size_t at = members_find(&wanted->members, member.id);
    memmove(&wanted->learns[at + 1], &wanted->learns[at], (before - at) * sizeof wanted->learns[0]);
    wanted->learns[at] = learns;
    return true;
}

static bool parse(struct wanted *wanted, const struct bytes *body) {
    size_t at = 0, len, voters = 0;
    const char *line;
    while (request_line(body, &at, &line, &len)) {
        if (len > 0 && !parse_line(wanted, line, len)) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted->members.count; i++) {
        voters += !wanted->learns[i];
    }
    return voters > 0;
}

/* ---- what is missing ---- */

/* The members as of what is applied here. False when there are more than the book can hold. */
static rft_status_t look(struct node *node, rft_member_t members[MEMBERS_MAX], size_t *count, bool *joint,
                         rft_error_t **error) {
    rft_status_t status = rft_engine_members(node->engine, members, MEMBERS_MAX, count, error);
    if (status == RFT_OK && *count > MEMBERS_MAX) {
        status = RFT_E_TOO_LARGE;
    }
    *joint = false;
    for (size_t i = 0; status == RFT_OK && i < *count; i++) {
        *joint = *joint || (members[i].flags & (RFT_MEMBER_OUTGOING | RFT_MEMBER_LEARNER_NEXT)) != 0;
    }
    return status;
}

/* The steps from here to what is wanted. Who goes is forgotten first: the book need not hold both lists. */
static void compare(struct changes *changes, const struct wanted *wanted, const rft_member_t *members,
                    size_t count, const struct members *book) {
    for (size_t i = 0; i < count; i++) {
        if (members_address(&wanted->members, members[i].id) == NULL) {
            changes_add(changes, RFT_CHANGE_REMOVE, members[i].id);
            changes_address(changes, members[i].id, "", 0);
        }
    }
    for (size_t i = 0; i < wanted->members.count; i++) {
        const struct member *member = &wanted->members.items[i];
        uint32_t role = wanted->learns[i] ? RFT_MEMBER_LEARNER : RFT_MEMBER_VOTER, has = 0;
        for (size_t k = 0; k < count; k++) {
            has |= members[k].id == member->id ? members[k].flags : 0;
        }
        if (has != role) {
            changes_add(changes, wanted->learns[i] ? RFT_CHANGE_ADD_LEARNER : RFT_CHANGE_ADD_VOTER,
                        member->id);
        }
        const char *address = members_address(book, member->id);
        if (address == NULL || strcmp(address, member->address) != 0) {
            changes_address(changes, member->id, member->address, strlen(member->address));
        }
    }
    /* Only addresses change: that needs an entry, too. */
    if (changes->count == 0 && changes->addresses.len > 0) {
        changes_add(changes, RFT_CHANGE_UPDATE, wanted->members.items[0].id);
    }
}

/* ---- the way there ---- */

static uint32_t left_ms(uint64_t deadline) {
    uint64_t now = clock_ms();
    return now < deadline ? (uint32_t)(deadline - now) : 0;
}

struct way {
    bool tried; /* the change may have been made */
    bool made;  /* it has been */
    bool done;  /* nothing is left to change, and no joint one is under way */
};

static rft_status_t change(struct node *node, const struct changes *changes, uint32_t wait_ms,
                           rft_error_t **error) {
    if (changes->addresses.failed) {
        return RFT_E_HOST;
    }
    return rft_engine_change_wait(node->engine, changes->items, changes->count, RFT_TRANSITION_AUTO,
                                  changes->addresses.data, changes->addresses.len, wait_ms, NULL, error);
}

/* One round: looks, and changes what is not as wanted. */
static rft_status_t step(struct node *node, const struct wanted *wanted, uint32_t wait_ms, struct way *way,
                         rft_error_t **error) {
    rft_member_t members[MEMBERS_MAX];
    size_t count = 0;
    bool joint = false;
    /* Who goes can ask nobody then, and looks at what has come here. All others read: behind it, they have
     * applied what the leader had, and so their own change, too. */
    bool goes = way->made && members_address(&wanted->members, node->id) == NULL;
    rft_status_t status = goes ? RFT_OK : rft_engine_read_wait(node->engine, wait_ms, NULL, error);
    if (status == RFT_OK) {
        status = look(node, members, &count, &joint, error);
    }
    way->done = status == RFT_OK && !joint && way->made && !goes;
    if (status != RFT_OK || joint || way->done) {
        return status;
    }
    struct changes changes = {0};
    struct members book;
    kv_members(node->kv, &book);
    compare(&changes, wanted, members, count, &book);
    way->done = changes.count == 0;
    if (!way->done && !way->made) {
        status = change(node, &changes, wait_ms, error);
        way->tried = status != RFT_E_CONF_CHANGE;
        way->made = status == RFT_OK;
    }
    changes_free(&changes);
    return status;
}

/* Another change that is under way ends by itself, and so does an election while nothing was asked for but
 * reads. */
static bool is_worth_another(rft_status_t status, const struct way *way) {
    switch (status) {
    case RFT_OK:
    case RFT_E_CONF_CHANGE:
        return !way->done;
    case RFT_E_NOT_LEADER:
    case RFT_E_DROPPED:
    case RFT_E_TIMED_OUT:
        return !way->tried;
    default:
        return false;
    }
}

enum MHD_Result route_member_list(struct request *request) {
    struct wanted wanted = {0};
    if (!parse(&wanted, &request->body)) {
        return reply_text(
            request, MHD_HTTP_BAD_REQUEST,
            "a line is ID=HOST:PORT or learner ID=HOST:PORT, each ID once, and one is no learner");
    }
    uint64_t deadline = clock_ms() + WAIT_MS;
    rft_error_t *error = NULL;
    struct way way = {0};
    rft_status_t status;
    for (;;) {
        status = step(request->node, &wanted, left_ms(deadline), &way, &error);
        if (!is_worth_another(status, &way) || left_ms(deadline) <= LOOK_AGAIN_MS) {
            break;
        }
        rft_error_free(error);
        error = NULL;
        clock_sleep_ms(LOOK_AGAIN_MS);
    }
    if (way.made && !way.done) {
        status = RFT_E_UNKNOWN; /* for who goes, or where a leader has gone meanwhile */
    } else if (status == RFT_OK && !way.done) {
        status = RFT_E_CONF_CHANGE;
    } else if (status == RFT_E_TIMED_OUT && !way.tried) {
        status = RFT_E_DROPPED; /* only reads have failed */
    }
    return reply_status(request, status, error);
}
