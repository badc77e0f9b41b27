/* GET /status: what this node knows, as JSON. ?hash=0 leaves out the hash, which walks the whole state. */
#include <inttypes.h>
#include <stdlib.h>

#include "routes.h"

static const char *role_name(int32_t role) {
    switch (role) {
    case RFT_ROLE_FOLLOWER:
        return "follower";
    case RFT_ROLE_CANDIDATE:
        return "candidate";
    case RFT_ROLE_LEADER:
        return "leader";
    case RFT_ROLE_PRE_CANDIDATE:
        return "pre_candidate";
    default:
        return "unknown";
    }
}

static const char *progress_name(int32_t progress) {
    switch (progress) {
    case 0:
        return "probe";
    case 1:
        return "replicate";
    case 2:
        return "snapshot";
    default:
        return "unknown"; /* only a leader knows */
    }
}

static void add_flags(struct bytes *out, uint32_t flags) {
    static const struct {
        uint32_t flag;
        const char *name;
    } FLAGS[] = {
        {RFT_MEMBER_VOTER, "voter"},
        {RFT_MEMBER_LEARNER, "learner"},
        {RFT_MEMBER_OUTGOING, "outgoing"},
        {RFT_MEMBER_LEARNER_NEXT, "learner_next"},
    };
    const char *comma = "";
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        if (flags & FLAGS[i].flag) {
            bytes_printf(out, "%s\"%s\"", comma, FLAGS[i].name);
            comma = ",";
        }
    }
}

static void add_members(struct bytes *out, const struct node *node) {
    rft_member_t list[MEMBERS_MAX];
    size_t count = 0;
    struct members book;
    kv_members(node->kv, &book);
    rft_engine_members(node->engine, list, MEMBERS_MAX, &count, NULL);
    for (size_t i = 0; i < count && i < MEMBERS_MAX; i++) {
        const rft_member_t *member = &list[i];
        const char *address = members_address(&book, member->id);
        bytes_printf(out, "%s{\"id\":%" PRIu64 ",\"address\":", i > 0 ? "," : "", member->id);
        bytes_append_json(out, address != NULL ? address : "");
        bytes_append_text(out, ",\"flags\":[");
        add_flags(out, member->flags);
        bytes_printf(out, "],\"progress\":\"%s\",\"matched\":%" PRIu64 ",\"active\":%s}",
                     progress_name(member->progress), member->matched,
                     member->recent_active ? "true" : "false");
    }
}

static void add_state(struct bytes *out, const struct kv_summary *state, bool with_hash) {
    bytes_printf(out, ",\"state\":{\"applied\":%" PRIu64 ",\"keys\":%zu", state->applied, state->keys);
    if (with_hash) {
        bytes_printf(out, ",\"hash\":\"%016" PRIx64 "\"", state->hash);
    }
    bytes_append_text(out, "}");
}

static void add_counters(struct bytes *out, const struct counters *counters) {
    bytes_printf(out,
                 ",\"counters\":{\"writes\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"elections\":%" PRIu64
                 ",\"snapshots_saved\":%" PRIu64 ",\"snapshot_bytes_saved\":%" PRIu64,
                 counters->writes, counters->reads, counters->elections, counters->snapshots_saved,
                 counters->snapshot_bytes_saved);
    bytes_printf(out,
                 ",\"snapshots_restored\":%" PRIu64 ",\"snapshot_bytes_restored\":%" PRIu64
                 ",\"restarts\":%" PRIu64 "}",
                 counters->snapshots_restored, counters->snapshot_bytes_restored, counters->starts - 1);
}

enum MHD_Result route_status(struct request *request) {
    struct node *node = request->node;
    bool with_hash = !request_asks(request, "hash", "0");
    rft_node_status_t status;
    struct kv_summary state;
    rft_error_t *error = NULL;
    rft_status_t result = rft_engine_status(node->engine, &status, &error);
    if (result == RFT_OK) {
        result = kv_summary(node->kv, with_hash, &state);
    }
    if (result != RFT_OK) {
        return reply_status(request, result, error);
    }
    struct bytes out = {0};
    bytes_printf(&out,
                 "{\"program\":\"kv-c\",\"id\":%" PRIu64 ",\"cluster_id\":%" PRIu64
                 ",\"role\":\"%s\",\"term\":%" PRIu64,
                 status.id, node->cluster_id, role_name(status.role), status.term);
    bytes_printf(&out, ",\"leader\":%" PRIu64 ",\"commit\":%" PRIu64 ",\"applied\":%" PRIu64, status.leader,
                 status.commit, status.applied);
    bytes_printf(&out, ",\"first_index\":%" PRIu64 ",\"last_index\":%" PRIu64 ",\"snapshot_index\":%" PRIu64,
                 status.first_index, status.last_index, status.snapshot_index);
    bytes_printf(&out, ",\"disk_full\":%s", status.disk_full ? "true" : "false");
    bytes_printf(&out, ",\"failure\":\"%s\",\"members\":[", rft_status_name(status.failure));
    add_members(&out, node);
    bytes_append_text(&out, "]");
    add_state(&out, &state, with_hash);
    add_counters(&out, &node->counters);
    bytes_append_text(&out, "}\n");
    enum MHD_Result answered = out.failed ? MHD_NO : reply(request, MHD_HTTP_OK, "application/json", &out);
    bytes_free(&out);
    return answered;
}
