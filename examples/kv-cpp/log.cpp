#include "log.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

namespace kv {

static const char *name_of(rft::LogLevel level) {
    switch (level) {
    case rft::LogLevel::error:
        return "ERROR";
    case rft::LogLevel::warn:
        return "WARN ";
    case rft::LogLevel::info:
        return "INFO ";
    case rft::LogLevel::debug:
        return "DEBUG";
    case rft::LogLevel::trace:
        break;
    }
    return "TRACE";
}

void log(rft::LogLevel level, std::string_view text) {
    if (level > log_level) {
        return;
    }
    using namespace std::chrono;
    const auto now = system_clock::now();
    const std::time_t seconds = system_clock::to_time_t(now);
    const auto millis = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
    std::tm utc = {};
    char day[32], rest[32];
    gmtime_r(&seconds, &utc);
    std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(rest, sizeof rest, ".%03dZ %s ", static_cast<int>(millis), name_of(level));
    // One call a line: lines of several threads do not mix.
    const std::string line = day + std::string(rest).append(text) + "\n";
    std::fputs(line.c_str(), stderr);
}

void log_failure(std::string_view what, const rft::Status &status) {
    log(rft::LogLevel::error,
        std::string(what) + ": " + status.message() + " (" + rft::name(status.code()) + ")");
}

} // namespace kv
