/// Messages to the other nodes, over HTTP: a thread, a bounded queue and a kept-alive connection a peer. Raft
/// survives every message that is lost here, so nothing is sent twice and nothing ever blocks.
#ifndef KV_PEERS_HPP
#define KV_PEERS_HPP

#include <rft.hpp>

#include "members.hpp"
#include "options.hpp"
#include "peer.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace kv {

class Peers {
  public:
    /// With TLS the peers have to be signed by its authority.
    Peers(std::uint64_t self, std::uint64_t cluster_id, const TlsFiles &tls);

    /// Adds a peer or gives it another address. Peers are never taken away: the engine sends to members only,
    /// and a removed one has to hear of its removal. Any thread.
    void set(const Members &members);
    /// The last known address. Any thread.
    std::optional<std::string> address(std::uint64_t id) const;
    /// rft::Host's send: queues and returns.
    void send(rft::Span<rft::Message> messages);
    /// From here on the engine is told of peers that cannot be reached.
    void report_to(rft::Engine &engine);
    /// Ends the threads; what is queued is lost. Before the engine goes, because of the reports.
    void stop();

  private:
    Peer *find(std::uint64_t id) const;

    const Sender sender_;
    std::atomic<rft::Engine *> engine_ = nullptr;
    mutable std::mutex lock_;                             // the list; what is in it lives as long as this
    std::map<std::uint64_t, std::unique_ptr<Peer>> list_; // behind the engine's place, which its threads use
};

} // namespace kv

#endif // KV_PEERS_HPP
