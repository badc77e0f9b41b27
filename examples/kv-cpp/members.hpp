/// The address book: which node answers where.
#ifndef KV_MEMBERS_HPP
#define KV_MEMBERS_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kv {

constexpr std::size_t members_max = 64;
constexpr std::size_t address_max = 255;

/// host:port by id.
using Members = std::map<std::uint64_t, std::string>;

/// Adds or replaces an address; an empty one forgets the member. False when the book is full or the address
/// too long.
bool set_address(Members &members, std::uint64_t id, std::string_view address);

/// Takes over a list such as "1=127.0.0.1:7001,2=127.0.0.1:7002"; "2=" forgets node 2. False at the first
/// item that cannot be understood: the ones before it are taken over.
bool take_list(Members &members, std::string_view text);
/// The same for a change that has been made, and nobody can refuse any more: an address for which the
/// book has no room is left out, by every node alike.
bool follow_list(Members &members, std::string_view text);

/// A decimal number of at least 1.
std::optional<std::uint64_t> parse_id(std::string_view text);

/// "4=127.0.0.1:7004", with a host of letters, digits and -._:[] and a port of 1 to 65535.
std::optional<std::pair<std::uint64_t, std::string>> parse_member(std::string_view text);

/// The host of host:port and of [host]:port, and the port. Nothing where that is neither.
std::optional<std::pair<std::string, int>> host_and_port(std::string_view address);

/// Steps through the lines of a text, empty ones left out. False behind the last one.
bool next_line(std::string_view &text, std::string_view &line);

} // namespace kv

#endif // KV_MEMBERS_HPP
