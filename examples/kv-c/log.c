#define _POSIX_C_SOURCE 200809L

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

int32_t log_level = RFT_LOG_INFO;

static const char *level_name(int32_t level) {
    switch (level) {
    case RFT_LOG_ERROR:
        return "ERROR";
    case RFT_LOG_WARN:
        return "WARN ";
    case RFT_LOG_INFO:
        return "INFO ";
    default:
        return "DEBUG";
    }
}

void log_line(int32_t level, const char *format, ...) {
    if (level > log_level) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    struct timespec now;
    struct tm utc;
    char day[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    /* One call a line: lines of several threads do not mix. */
    fprintf(stderr, "%s.%03ldZ %s %s\n", day, now.tv_nsec / 1000000, level_name(level), text);
}

void log_error(const char *what, rft_status_t status, rft_error_t *error) {
    const char *why = error != NULL ? rft_error_message(error) : rft_status_str(status);
    log_line(RFT_LOG_ERROR, "%s: %s (%s)", what, why, rft_status_name(status));
    rft_error_free(error);
}
