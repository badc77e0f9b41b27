/* What Go cannot say by itself: a host made of Go's callbacks, and calls that take a whole batch. */
#ifndef RFT_GO_SHIM_H
#define RFT_GO_SHIM_H

#include <rft.h>

/* rft_engine_open with a host that calls the Go host behind `handle`, for log lines only where `log` is 1. */
rft_status_t rft_go_engine_open(const rft_config_t *config, const char *dir, size_t dir_len, uintptr_t handle,
                                uint8_t log, rft_engine_t **out, rft_error_t **err);

/* The handle of the engine in whose callback this thread is; 0: in none. */
uintptr_t rft_go_inside(void);

/* What a proposal gives: by value, because cgo looks at each pointer to a place in Go's memory. */
typedef struct {
    rft_status_t status;
    uint64_t index; /* of the first entry, of a node */
    rft_error_t *error;
} rft_go_proposed_t;

/* rft_node_propose for one, which needs no array in memory that C may see. */
rft_go_proposed_t rft_go_node_propose_one(rft_node_t *node, const uint8_t *data, size_t len);

/* rft_node_propose for `n` payloads that lie side by side in `data`, each as long as `lens` says. */
rft_go_proposed_t rft_go_node_propose(rft_node_t *node, const uint8_t *data, const size_t *lens, size_t n);

/* rft_engine_propose for one. */
rft_go_proposed_t rft_go_engine_propose_one(rft_engine_t *engine, const uint8_t *data, size_t len,
                                            uint64_t request);

/* rft_engine_propose for payloads side by side, with numbers from `first` on. */
rft_go_proposed_t rft_go_engine_propose(rft_engine_t *engine, const uint8_t *data, const size_t *lens,
                                        size_t n, uint64_t first);

/* rft_answer_set for each of `n` entries whose answer has bytes. */
rft_status_t rft_go_answers_set(const rft_entry_t *entries, const rft_bytes_t *answers, size_t n);

/* rft_check_version is inline, which cgo cannot call everywhere. */
rft_status_t rft_go_check_version(void);

#endif
