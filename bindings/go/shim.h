/* What Go cannot say by itself: a host made of Go's callbacks, and calls that take a whole batch. */
#ifndef RFT_GO_SHIM_H
#define RFT_GO_SHIM_H

#include <rft.h>

/* rft_engine_open with a host that calls the Go host behind `handle`, for log lines only where `log` is 1. */
rft_status_t rft_go_engine_open(const rft_config_t *config, const char *dir, size_t dir_len, uintptr_t handle,
                                uint8_t log, rft_engine_t **out, rft_error_t **err);

/* rft_engine_propose for one, which needs no array in memory that C may see. */
rft_status_t rft_go_engine_propose_one(rft_engine_t *engine, const uint8_t *data, size_t len,
                                       uint64_t request, rft_error_t **err);

/* rft_answer_set for each of `n` entries whose answer has bytes. */
rft_status_t rft_go_answers_set(const rft_entry_t *entries, const rft_bytes_t *answers, size_t n);

/* rft_check_version is inline, which cgo cannot call everywhere. */
rft_status_t rft_go_check_version(void);

#endif
