/* POST /members: one change of the membership. A body of several lines is one joint change. */
#include <inttypes.h>
#include <string.h>

#include "routes.h"

#define CHANGES_MAX 16

struct changes {
    rft_change_t items[CHANGES_MAX];
    size_t count;
    /* The change's context: what apply does to the address book, "4=127.0.0.1:7004,2=". */
    struct bytes addresses;
};

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

static void note_address(struct changes *changes, uint64_t id, const char *address, size_t len) {
    bytes_printf(&changes->addresses, "%s%" PRIu64 "=", changes->addresses.len > 0 ? "," : "", id);
    bytes_append(&changes->addresses, address, len);
}

/* "add-learner 4=127.0.0.1:7004", "promote 4", "remove 2" */
static bool parse_line(struct changes *changes, const char *line, size_t len) {
    if (changes->count == CHANGES_MAX) {
        return false;
    }
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        size_t word = strlen(VERBS[i].word);
        if (len < word || memcmp(line, VERBS[i].word, word) != 0) {
            continue;
        }
        const char *id_text = line + word;
        size_t rest = len - word;
        const char *equals = memchr(id_text, '=', rest);
        size_t id_len = equals != NULL ? (size_t)(equals - id_text) : rest;
        size_t address_len = equals != NULL ? rest - id_len - 1 : 0;
        uint64_t id;
        if (!member_id_parse(id_text, id_len, &id) || address_len > MEMBER_ADDRESS_MAX ||
            VERBS[i].takes_address != (address_len > 0) ||
            (address_len > 0 && memchr(equals + 1, ',', address_len) != NULL)) {
            return false;
        }
        changes->items[changes->count++] = (rft_change_t){.node_id = id, .type = VERBS[i].type};
        if (VERBS[i].takes_address || VERBS[i].type == RFT_CHANGE_REMOVE) {
            note_address(changes, id, address_len > 0 ? equals + 1 : "", address_len);
        }
        return true;
    }
    return false;
}

static bool parse(struct changes *changes, const struct bytes *body) {
    const char *text = (const char *)body->data;
    size_t left = body->len;
    while (left > 0) {
        const char *newline = memchr(text, '\n', left);
        size_t len = newline != NULL ? (size_t)(newline - text) : left;
        if (len > 0 && !parse_line(changes, text, len)) {
            return false;
        }
        size_t taken = newline != NULL ? len + 1 : len;
        text += taken;
        left -= taken;
    }
    return changes->count > 0 && !changes->addresses.failed;
}

enum MHD_Result route_members(struct request *request) {
    struct changes changes = {0};
    enum MHD_Result result;
    if (!parse(&changes, &request->body)) {
        result =
            reply_text(request, MHD_HTTP_BAD_REQUEST,
                       "a line is one of: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID");
    } else {
        rft_error_t *error = NULL;
        rft_status_t status =
            rft_engine_change_wait(request->node->engine, changes.items, changes.count, RFT_TRANSITION_AUTO,
                                   changes.addresses.data, changes.addresses.len, WAIT_MS, NULL, &error);
        result = reply_status(request, status, error);
    }
    bytes_free(&changes.addresses);
    return result;
}
