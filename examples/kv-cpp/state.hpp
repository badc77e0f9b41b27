/// What the service replicates, and its bytes: the same in every language's host (../README.md draws them).
/// Not thread-safe: store.hpp adds the lock.
#ifndef KV_STATE_HPP
#define KV_STATE_HPP

#include <rft/code.hpp>
#include <rft/view.hpp>

#include "command.hpp"
#include "members.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace kv {

struct Item {
    std::uint64_t revision = 0; ///< The index of the entry that wrote it.
    std::string value;
};

struct State {
    /// Takes bytes, and stops the encoding with anything but Code::ok.
    using Sink = std::function<rft::Code(rft::Bytes)>;
    /// Fills up to `room` bytes and says how many; 0 is the end.
    using Source = std::function<rft::Code(char *into, std::size_t room, std::size_t &size)>;

    std::uint64_t applied = 0; ///< The index of the last entry that was applied.
    Members members;
    std::map<std::string, Item, std::less<>> items; ///< By key, bytewise, as they are encoded.

    /// Applies an entry; `answer` is set if it was a command. Anything but Code::ok means that this node must
    /// not go on.
    rft::Code apply(rft::Entry entry, std::optional<Answer> &answer);

    rft::Code encode(const Sink &sink) const;
    /// The inverse, into an empty state.
    rft::Code decode(const Source &source);

    /// FNV-1a over the encoded bytes: equal on all nodes that have applied the same index.
    std::uint64_t hash() const;

  private:
    Answer run(std::uint64_t index, const Command &command);
};

} // namespace kv

#endif // KV_STATE_HPP
