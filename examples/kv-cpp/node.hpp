/// One node: the engine, and what its callbacks and the HTTP routes share.
#ifndef KV_NODE_HPP
#define KV_NODE_HPP

#include <rft.hpp>

#include "options.hpp"
#include "peers.hpp"
#include "store.hpp"

#include <atomic>
#include <optional>

namespace kv {

/// Since the process began, except starts: that one is kept in DIR/starts.
struct Counters {
    std::atomic<std::uint64_t> writes = 0, reads = 0, elections = 0;
    std::atomic<std::uint64_t> snapshots_saved = 0, snapshot_bytes_saved = 0;
    std::atomic<std::uint64_t> snapshots_restored = 0, snapshot_bytes_restored = 0;
    std::uint64_t starts = 0;
};

class Node {
  public:
    explicit Node(const Options &options);
    Node(const Node &) = delete;
    Node &operator=(const Node &) = delete;
    ~Node();

    /// Opens what --dir holds and starts the engine. False, with the reason logged, when it cannot.
    bool open();
    /// Ends the engine's threads; every waiting request is answered.
    void stop();

    /// Behind open() only.
    rft::Engine &engine() {
        return *engine_;
    }

    const Options options;
    Store store;
    Peers peers;
    Counters counters;

  private:
    rft::Host host();
    rft::Status configure(rft::Config &config) const;
    void on_event(rft::Event event);

    std::optional<rft::Engine> engine_; // goes first: its callbacks use the others
};

} // namespace kv

#endif // KV_NODE_HPP
