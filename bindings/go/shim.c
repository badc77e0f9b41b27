#include "shim.h"

#include "_cgo_export.h"

#include <stdlib.h>

/* The engine, by its handle, in whose callback this thread is: there nobody may wait for that engine. */
static _Thread_local uintptr_t inside;

uintptr_t rft_go_inside(void) {
    return inside;
}

/* The callbacks differ from Go's exported functions in `const` and in the type of the first argument. */

static void on_drop(void *user) {
    goDrop((uintptr_t)user);
}

static void on_send(void *user, const rft_message_t *messages, size_t n) {
    inside = (uintptr_t)user;
    goSend((uintptr_t)user, (rft_message_t *)messages, n);
    inside = 0;
}

static rft_status_t on_apply(void *user, const rft_entry_t *entries, size_t n) {
    inside = (uintptr_t)user;
    const rft_status_t status = goApply((uintptr_t)user, (rft_entry_t *)entries, n);
    inside = 0;
    return status;
}

static rft_status_t on_save(void *user, rft_snapshot_writer_t *writer) {
    inside = (uintptr_t)user;
    const rft_status_t status = goSnapshotSave((uintptr_t)user, writer);
    inside = 0;
    return status;
}

static rft_status_t on_view(void *user, void **view) {
    uintptr_t taken = 0;
    inside = (uintptr_t)user;
    const rft_status_t status = goSnapshotView((uintptr_t)user, &taken);
    inside = 0;
    *view = (void *)taken;
    return status;
}

static rft_status_t on_view_save(void *user, void *view, rft_snapshot_writer_t *writer) {
    inside = (uintptr_t)user;
    const rft_status_t status = goSnapshotViewSave((uintptr_t)user, (uintptr_t)view, writer);
    inside = 0;
    return status;
}

static void on_view_drop(void *user, void *view) {
    (void)user;
    goSnapshotViewDrop((uintptr_t)view);
}

static rft_status_t on_restore(void *user, rft_snapshot_reader_t *reader) {
    inside = (uintptr_t)user;
    const rft_status_t status = goSnapshotRestore((uintptr_t)user, reader);
    inside = 0;
    return status;
}

static void on_outcome(void *user, const rft_outcome_t *outcomes, size_t n) {
    goOutcome((uintptr_t)user, (rft_outcome_t *)outcomes, n);
}

static void on_event(void *user, const rft_event_t *event) {
    inside = (uintptr_t)user;
    goEvent((uintptr_t)user, (rft_event_t *)event);
    inside = 0;
}

static void on_log(void *user, int32_t level, const char *text, size_t len) {
    goLog((uintptr_t)user, level, (char *)text, len);
}

rft_status_t rft_go_engine_open(const rft_config_t *config, const char *dir, size_t dir_len, uintptr_t handle,
                                uint8_t log, rft_engine_t **out, rft_error_t **err) {
    rft_host_t host = {0};
    host.size = sizeof host;
    host.user_data = (void *)handle;
    host.drop = on_drop;
    host.send = on_send;
    host.apply = on_apply;
    host.snapshot_save = on_save;
    host.snapshot_restore = on_restore;
    host.snapshot_view = on_view;
    host.snapshot_view_save = on_view_save;
    host.snapshot_view_drop = on_view_drop;
    host.outcome = on_outcome;
    host.event = on_event;
    host.log = log ? on_log : NULL;
    return rft_engine_open(config, dir, dir_len, &host, out, err);
}

rft_go_proposed_t rft_go_node_propose_one(rft_node_t *node, const uint8_t *data, size_t len) {
    rft_go_proposed_t out = {0};
    const rft_bytes_t bytes = {data, len};
    out.status = rft_node_propose(node, &bytes, 1, &out.index, &out.error);
    return out;
}

/* So many elements need no memory of their own. */
enum { FEW = 128 };

rft_go_proposed_t rft_go_node_propose(rft_node_t *node, const uint8_t *data, const size_t *lens, size_t n) {
    rft_go_proposed_t out = {0};
    rft_bytes_t few[FEW];
    rft_bytes_t *list = n <= FEW ? few : calloc(n, sizeof *list);
    if (list == NULL) {
        out.status = RFT_E_TOO_LARGE;
        return out;
    }
    for (size_t at = 0; at < n; data += lens[at++]) {
        list[at].data = data;
        list[at].len = lens[at];
    }
    out.status = rft_node_propose(node, list, n, &out.index, &out.error);
    if (list != few) {
        free(list);
    }
    return out;
}

rft_go_proposed_t rft_go_engine_propose_one(rft_engine_t *engine, const uint8_t *data, size_t len,
                                            uint64_t request) {
    rft_go_proposed_t out = {0};
    const rft_proposal_t proposal = {data, len, request};
    out.status = rft_engine_propose(engine, &proposal, 1, &out.error);
    return out;
}

rft_go_proposed_t rft_go_engine_propose(rft_engine_t *engine, const uint8_t *data, const size_t *lens,
                                        size_t n, uint64_t first) {
    rft_go_proposed_t out = {0};
    rft_proposal_t few[FEW];
    rft_proposal_t *list = n <= FEW ? few : calloc(n, sizeof *list);
    if (list == NULL) {
        out.status = RFT_E_TOO_LARGE;
        return out;
    }
    for (size_t at = 0; at < n; data += lens[at++]) {
        list[at].data = data;
        list[at].len = lens[at];
        list[at].request = first + at;
    }
    out.status = rft_engine_propose(engine, list, n, &out.error);
    if (list != few) {
        free(list);
    }
    return out;
}

rft_status_t rft_go_answers_set(const rft_entry_t *entries, const rft_bytes_t *answers, size_t n) {
    for (size_t at = 0; at < n; at++) {
        if (answers[at].len > 0) {
            rft_status_t status = rft_answer_set(entries[at].answer, answers[at].data, answers[at].len, NULL);
            if (status != RFT_OK) {
                return status;
            }
        }
    }
    return RFT_OK;
}

rft_status_t rft_go_check_version(void) {
    return rft_check_version();
}
