/// What stands in the log, and what apply says to it: the same bytes in every language's host.
#ifndef KV_COMMAND_HPP
#define KV_COMMAND_HPP

#include <rft/view.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kv {

constexpr std::size_t key_max = 1024;
constexpr std::size_t value_max = std::size_t{4} << 20;

/// Numbers are little-endian; `bytes` is up to 8.
void append_le(std::string &out, std::uint64_t value, std::size_t bytes);
std::uint64_t load_le(std::string_view bytes);

/// Key and value are lent.
struct Command {
    bool deletes = false; ///< Else it puts.
    std::optional<std::uint64_t>
        revision; ///< Done only if the key has it, or with 0 if there is no such key.
    std::string_view key, value;

    std::string encode() const;
    /// Nothing when it is not a command that this program knows.
    static std::optional<Command> parse(std::string_view bytes);
};

struct Answer {
    bool done = false;          ///< False: the key has another revision.
    std::uint64_t revision = 0; ///< The key's behind the command; 0 is none.

    std::string encode() const;
    static std::optional<Answer> parse(std::string_view bytes);
    static constexpr std::size_t size = 9;
};

} // namespace kv

#endif // KV_COMMAND_HPP
