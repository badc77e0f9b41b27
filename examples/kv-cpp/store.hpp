/// The state machine: the state of state.hpp behind a lock, in the shape that rft's callbacks want.
#ifndef KV_STORE_HPP
#define KV_STORE_HPP

#include <rft.hpp>

#include "state.hpp"

#include <optional>
#include <shared_mutex>
#include <string_view>

namespace kv {

class Store {
  public:
    struct Summary {
        std::uint64_t applied = 0, hash = 0;
        std::size_t keys = 0;
    };

    /// The addresses of a new cluster's members, the same on each.
    explicit Store(Members first);

    /// For rft::Host, which calls from one thread at a time. True in `members_changed` where the book may
    /// have.
    rft::Code apply(rft::Span<rft::Entry> entries, bool &members_changed);
    rft::Code save(rft::SnapshotWriter to) const;
    rft::Code restore(rft::SnapshotReader from);

    /// The rest from any thread.
    std::optional<Item> get(std::string_view key) const;
    Members members() const;
    /// The hash walks the whole state while applying waits: leave it out where it is not needed.
    Summary summary(bool with_hash) const;

  private:
    mutable std::shared_mutex lock_; // taken alone by apply and restore only
    State state_;
};

} // namespace kv

#endif // KV_STORE_HPP
