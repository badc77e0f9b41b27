/* POST /members: one change of the membership. A body of several lines is one joint change. */
#include <string.h>

#include "changes.h"
#include "routes.h"

#define LINES_MAX 16

static const struct {
    const char *word;
    int32_t type;
    bool takes_address;
} VERBS[] = {
    {"add ", RFT_CHANGE_ADD_VOTER, true},
    {"add-learner ", RFT_CHANGE_ADD_LEARNER, true},
    {"promote ", RFT_CHANGE_ADD_VOTER, false},
    {"remove ", RFT_CHANGE_REMOVE, false},
};

/* "add-learner 4=127.0.0.1:7004", "promote 4", "remove 2" */
static bool parse_line(struct changes *changes, const char *line, size_t len) {
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        size_t word = strlen(VERBS[i].word);
        if (len < word || memcmp(line, VERBS[i].word, word) != 0) {
            continue;
        }
        struct member member = {0};
        line += word;
        len -= word;
        if (VERBS[i].takes_address ? !member_parse(line, len, &member)
                                   : !member_id_parse(line, len, &member.id)) {
            return false;
        }
        if (VERBS[i].takes_address || VERBS[i].type == RFT_CHANGE_REMOVE) {
            changes_address(changes, member.id, member.address, strlen(member.address));
        }
        return changes->count < LINES_MAX && changes_add(changes, VERBS[i].type, member.id);
    }
    return false;
}

static bool parse(struct changes *changes, const struct bytes *body) {
    size_t at = 0, len;
    const char *line;
    while (request_line(body, &at, &line, &len)) {
        if (len > 0 && !parse_line(changes, line, len)) {
            return false;
        }
    }
    return changes->count > 0 && !changes->addresses.failed;
}

enum MHD_Result route_members(struct request *request) {
    struct node *node = request->node;
    struct changes changes = {0};
    struct members book;
    enum MHD_Result result;
    kv_members(node->kv, &book);
    if (!parse(&changes, &request->body)) {
        result =
            reply_text(request, MHD_HTTP_BAD_REQUEST,
                       "a line is one of: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID");
    } else if (!members_parse(&book, (const char *)changes.addresses.data, changes.addresses.len)) {
        result = reply_text(request, MHD_HTTP_CONFLICT, "the address book has no room; nothing was done");
    } else {
        rft_error_t *error = NULL;
        rft_status_t status =
            rft_engine_change_wait(node->engine, changes.items, changes.count, RFT_TRANSITION_AUTO,
                                   changes.addresses.data, changes.addresses.len, WAIT_MS, NULL, &error);
        result = reply_status(request, status, error);
    }
    changes_free(&changes);
    return result;
}
