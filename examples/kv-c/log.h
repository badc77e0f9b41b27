/* Lines on stderr with level and time. */
#ifndef KV_LOG_H
#define KV_LOG_H

#include <rft.h>

/* `level` is one of RFT_LOG_...; `log_level` lines and more important ones are written. Any thread. */
extern int32_t log_level;
void log_line(int32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The error's message if there is one, else the status's own sentence; frees the error. */
void log_error(const char *what, rft_status_t status, rft_error_t *error);

#endif
