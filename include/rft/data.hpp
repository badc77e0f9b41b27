/// @file
/// @brief Part of rft.hpp: members, changes, outcomes.
#ifndef RFT_DATA_HPP
#define RFT_DATA_HPP

#include <rft.h>

#include <rft/code.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#include <chrono>
#include <cstdint>
#include <vector>

namespace rft {
inline namespace v0 {

/// One step of a membership change.
struct Change {
    ChangeType type;  ///< What it does.
    std::uint64_t id; ///< To which member.
};

/// A member of the cluster.
struct Member {
    std::uint64_t id = 0;                  ///< Its id.
    std::uint32_t flags = 0;               ///< Any of the RFT_MEMBER_ bits.
    Progress progress = Progress::unknown; ///< At a leader: how it is served.
    std::uint64_t matched = 0;             ///< At a leader: the last entry it is known to have.
    std::uint64_t next = 0;                ///< At a leader: the entry it gets next.
    bool recent_active = false;            ///< At a leader: whether it was heard of lately.

    /// Whether it votes.
    bool is_voter() const noexcept {
        return (flags & RFT_MEMBER_VOTER) != 0;
    }
    /// Whether it receives the log and does not vote.
    bool is_learner() const noexcept {
        return (flags & RFT_MEMBER_LEARNER) != 0;
    }
};

/// How a node stands: rft_node_status_t with types.
struct NodeStatus : rft_node_status_t {
    /// Nothing yet.
    NodeStatus() noexcept : rft_node_status_t() {
    }
    /// What the node is.
    Role state() const noexcept {
        return static_cast<Role>(role);
    }
    /// Why the node has stopped; Code::ok while it has not.
    Code why() const noexcept {
        return static_cast<Code>(failure);
    }
};

/// What became of a request that succeeded.
struct Outcome {
    std::uint64_t index = 0;          ///< See rft_outcome_t.
    std::uint64_t term = 0;           ///< The term of that entry.
    std::vector<std::uint8_t> answer; ///< What `apply` answered. Owned.
    std::uint32_t age_ms = 0;         ///< Of a read: how old the state may be that it sees.
    std::size_t answer_size = 0;      ///< The bytes of the whole answer, which call() may have cut.
};

namespace detail {

/// Runs one call of rft.h: `body` gets the place for the error object.
template <class F> Status attempt(F &&body) {
    rft_error_t *error = nullptr;
    const rft_status_t status = body(&error);
    return {status, error};
}

/// The raw arrays that C wants.
inline std::vector<rft_change_t> raw(const std::vector<Change> &changes) {
    std::vector<rft_change_t> list;
    for (const Change &change : changes) {
        list.push_back({change.id, static_cast<std::int32_t>(change.type), 0});
    }
    return list;
}

inline std::vector<rft_bytes_t> raw(const std::vector<Bytes> &pieces) {
    std::vector<rft_bytes_t> list;
    for (const Bytes &piece : pieces) {
        list.push_back(piece.c_bytes());
    }
    return list;
}

/// Asks for members until there was room for all.
template <class F> Result<std::vector<Member>> members(F &&ask) {
    std::vector<rft_member_t> list(8);
    std::size_t n = 0;
    for (;;) {
        Status status = ask(list.data(), list.size(), &n);
        if (!status.ok()) {
            return status;
        }
        if (n <= list.size()) {
            break;
        }
        list.resize(n);
    }
    std::vector<Member> members;
    for (std::size_t at = 0; at < n; at++) {
        const rft_member_t &from = list[at];
        members.push_back({from.id, from.flags, static_cast<Progress>(from.progress), from.matched, from.next,
                           from.recent_active != 0});
    }
    return members;
}

/// Milliseconds as C takes them: none below 0, the most where there are more.
inline std::uint32_t timeout(std::chrono::milliseconds time) noexcept {
    const auto count = time.count();
    return count < 0 ? 0 : count > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(count);
}

} // namespace detail

} // namespace v0
} // namespace rft

#endif // RFT_DATA_HPP
