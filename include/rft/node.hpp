/// @file
/// @brief Part of rft.hpp: the node and its store.
#ifndef RFT_NODE_HPP
#define RFT_NODE_HPP

#include <rft.h>

#include <rft/config.hpp>
#include <rft/data.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace rft {
inline namespace v0 {

class Node;

/// A node's directory: one thread at a time.
class Store {
  public:
    /// Opens a directory, and creates it when it is missing. Blocks for the disk.
    static Result<Store> open(const Config &config, std::string_view dir) noexcept {
        Status status = check_version();
        if (status.ok()) {
            status = config.validate();
        }
        rft_store_t *store = nullptr;
        if (status.ok()) {
            status = detail::attempt([&](rft_error_t **error) {
                return rft_store_open(config.c_handle(), dir.data(), dir.size(), &store, error);
            });
        }
        if (!status.ok()) {
            return status;
        }
        return Store(store);
    }
    /// Reads the newest snapshot, lent until the next call; nothing when there is none. Blocks for the disk.
    Result<std::optional<Snapshot>> snapshot() noexcept {
        rft_snapshot_t out = {};
        Status status = detail::attempt(
            [&](rft_error_t **error) { return rft_store_snapshot(store_.get(), &out, error); });
        if (!status.ok()) {
            return status;
        }
        if (out.len == 0) {
            return std::optional<Snapshot>();
        }
        return std::optional<Snapshot>(Snapshot{out.index, out.term, Bytes(out.data, out.len)});
    }
    /// Writes the node's ready to the disk, see rft_store_save. Between Node::ready and Node::advance. Blocks
    /// for the disk.
    inline Status save(Node &node) noexcept;
    /// The handle, lent.
    rft_store_t *c_handle() const noexcept {
        return store_.get();
    }
    /// The handle, given away: it is freed with rft_store_free.
    rft_store_t *release() noexcept {
        return store_.release();
    }

  private:
    explicit Store(rft_store_t *store) noexcept : store_(store) {
    }
    detail::Owned<rft_store_t, rft_store_free> store_;
};

/// What a node wants done, lent until Node::advance: see rft_ready_t for the order.
class Ready {
  public:
    /// Wraps one.
    explicit Ready(const rft_ready_t &raw) noexcept : raw_(raw) {
    }
    /// To send. They may leave at once.
    Span<Message> messages() const noexcept {
        return {raw_.messages, raw_.messages_len};
    }
    /// To save.
    Span<Entry> entries() const noexcept {
        return {raw_.entries, raw_.entries_len};
    }
    /// To apply, once all above is saved.
    Span<Entry> committed() const noexcept {
        return {raw_.committed, raw_.committed_len};
    }
    /// To answer, each as soon as its index is applied.
    Span<Read> reads() const noexcept {
        return {raw_.reads, raw_.reads_len};
    }
    /// To save, when there is one.
    std::optional<rft_hard_state_t> hard_state() const noexcept {
        return raw_.has_hard_state != 0 ? std::optional<rft_hard_state_t>(raw_.hard_state) : std::nullopt;
    }
    /// To save, before the entries, and to replace the state machine with, when there is one.
    std::optional<Snapshot> snapshot() const noexcept {
        if (raw_.has_snapshot == 0) {
            return std::nullopt;
        }
        return Snapshot{raw_.snapshot.index, raw_.snapshot.term,
                        Bytes(raw_.snapshot.data, raw_.snapshot.len)};
    }
    /// Whether what is to be saved must be synced before Node::advance.
    bool must_sync() const noexcept {
        return raw_.must_sync != 0;
    }
    /// The leader this node knows; 0 is none.
    std::uint64_t leader() const noexcept {
        return raw_.leader;
    }
    /// What the node is.
    Role role() const noexcept {
        return static_cast<Role>(raw_.role);
    }

  private:
    rft_ready_t raw_;
};

/// The bare state machine of consensus: one thread at a time.
class Node {
  public:
    /// Creates a node. `store` may be null: a node in memory. Otherwise it has to live as long as it is used
    /// with it.
    static Result<Node> create(const Config &config, Store *store = nullptr) noexcept {
        Status status = check_version();
        if (status.ok()) {
            status = config.validate();
        }
        rft_node_t *node = nullptr;
        if (status.ok()) {
            status = detail::attempt([&](rft_error_t **error) {
                return rft_node_create(config.c_handle(), store == nullptr ? nullptr : store->c_handle(),
                                       &node, error);
            });
        }
        if (!status.ok()) {
            return status;
        }
        return Node(node);
    }

    /// Tells that one unit of time has passed.
    Status tick() noexcept {
        return detail::attempt([&](rft_error_t **error) { return rft_node_tick(node_.get(), error); });
    }
    /// Gives the node a message from a peer.
    Status step(Bytes message) noexcept {
        return detail::attempt([&](rft_error_t **error) {
            return rft_node_step(node_.get(), message.data(), message.size(), error);
        });
    }
    /// Gives it several, in order, and stops at the first that is refused: `done` receives how many were
    /// taken.
    Status step_many(const std::vector<Bytes> &messages, std::size_t *done = nullptr) {
        const std::vector<rft_bytes_t> raw = detail::raw(messages);
        return detail::attempt([&](rft_error_t **error) {
            return rft_node_step_many(node_.get(), raw.data(), raw.size(), done, error);
        });
    }
    /// Proposes entries, all of them or none: the index of the first, 0 when they were sent on to the leader.
    Result<std::uint64_t> propose(const std::vector<Bytes> &payloads) {
        if (payloads.size() == 1) {
            const rft_bytes_t one = payloads.front().c_bytes(); // needs no memory of its own
            return propose(&one, 1);
        }
        const std::vector<rft_bytes_t> raw = detail::raw(payloads);
        return propose(raw.data(), raw.size());
    }
    /// Proposes a membership change.
    Status propose_change(const std::vector<Change> &changes, Transition transition = Transition::automatic,
                          Bytes context = {}) {
        const std::vector<rft_change_t> raw = detail::raw(changes);
        return detail::attempt([&](rft_error_t **error) {
            return rft_node_propose_change(node_.get(), raw.data(), raw.size(),
                                           static_cast<std::int32_t>(transition), context.data(),
                                           context.size(), error);
        });
    }
    /// Asks for the index at which a read is linearizable: it is one of the reads of a later ready.
    Status read_index(std::uint64_t request) noexcept {
        return detail::attempt(
            [&](rft_error_t **error) { return rft_node_read_index(node_.get(), request, error); });
    }
    /// Campaigns now.
    Status campaign() noexcept {
        return detail::attempt([&](rft_error_t **error) { return rft_node_campaign(node_.get(), error); });
    }
    /// Asks the leader to hand its leadership to a member.
    Status transfer_leader(std::uint64_t to) noexcept {
        return detail::attempt(
            [&](rft_error_t **error) { return rft_node_transfer_leader(node_.get(), to, error); });
    }
    /// Tells that a message to a peer could not be delivered.
    Status report_unreachable(std::uint64_t id) noexcept {
        return detail::attempt(
            [&](rft_error_t **error) { return rft_node_report_unreachable(node_.get(), id, error); });
    }
    /// Tells whether a MsgSnap, a message of type 7, was delivered. Required after each.
    Status report_snapshot(std::uint64_t id, bool delivered) noexcept {
        return detail::attempt([&](rft_error_t **error) {
            return rft_node_report_snapshot(node_.get(), id, delivered ? 1 : 0, error);
        });
    }
    /// Whether ready() has something.
    bool has_ready() const noexcept {
        return rft_node_has_ready(node_.get()) != 0;
    }
    /// Takes what the node wants done.
    Result<Ready> ready() noexcept {
        rft_ready_t out = {};
        Status status =
            detail::attempt([&](rft_error_t **error) { return rft_node_ready(node_.get(), &out, error); });
        if (!status.ok()) {
            return status;
        }
        return Ready(out);
    }
    /// Says that everything in the last ready is saved and applied.
    Status advance() noexcept {
        return detail::attempt([&](rft_error_t **error) { return rft_node_advance(node_.get(), error); });
    }
    /// Gives the node a snapshot of the state machine, as of the entry at `index`. `store`: the node's, or
    /// null.
    Status snapshot(Store *store, std::uint64_t index, Bytes data) noexcept {
        return detail::attempt([&](rft_error_t **error) {
            return rft_node_snapshot(node_.get(), store == nullptr ? nullptr : store->c_handle(), index,
                                     data.data(), data.size(), error);
        });
    }
    /// Tells how the node stands.
    Result<NodeStatus> status() const noexcept {
        NodeStatus out;
        Status status =
            detail::attempt([&](rft_error_t **error) { return rft_node_status(node_.get(), &out, error); });
        if (!status.ok()) {
            return status;
        }
        return out;
    }
    /// Tells who is a member, by ascending id.
    Result<std::vector<Member>> members() const {
        return detail::members([&](rft_member_t *out, std::size_t room, std::size_t *n) {
            return detail::attempt(
                [&](rft_error_t **error) { return rft_node_members(node_.get(), out, room, n, error); });
        });
    }
    /// The handle, lent.
    rft_node_t *c_handle() const noexcept {
        return node_.get();
    }
    /// The handle, given away: it is freed with rft_node_free.
    rft_node_t *release() noexcept {
        return node_.release();
    }

  private:
    explicit Node(rft_node_t *node) noexcept : node_(node) {
    }
    Result<std::uint64_t> propose(const rft_bytes_t *payloads, std::size_t n) {
        std::uint64_t index = 0;
        Status status = detail::attempt(
            [&](rft_error_t **error) { return rft_node_propose(node_.get(), payloads, n, &index, error); });
        if (!status.ok()) {
            return status;
        }
        return index;
    }
    detail::Owned<rft_node_t, rft_node_free> node_;
};

inline Status Store::save(Node &node) noexcept {
    return detail::attempt(
        [&](rft_error_t **error) { return rft_store_save(store_.get(), node.c_handle(), error); });
}

} // namespace v0
} // namespace rft

#endif // RFT_NODE_HPP
