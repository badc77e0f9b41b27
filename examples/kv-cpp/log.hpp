/// Lines on stderr with level and time.
#ifndef KV_LOG_HPP
#define KV_LOG_HPP

#include <rft/code.hpp>
#include <rft/status.hpp>

#include <string_view>

namespace kv {

/// Lines of this level and more important ones are written; set before threads begin.
inline rft::LogLevel log_level = rft::LogLevel::info;

/// Any thread.
void log(rft::LogLevel level, std::string_view text);
void log_failure(std::string_view what, const rft::Status &status);

} // namespace kv

#endif // KV_LOG_HPP
