#include "peers.hpp"

namespace kv {

Peers::Peers(std::uint64_t self, std::uint64_t cluster_id, const TlsFiles &tls)
    : sender_{self, cluster_id, tls} {
}

void Peers::set(const Members &members) {
    const std::lock_guard guard(lock_);
    for (const auto &[id, address] : members) {
        if (id == sender_.id) {
            continue;
        }
        std::unique_ptr<Peer> &peer = list_[id];
        if (peer == nullptr) {
            peer = std::make_unique<Peer>(id, address, sender_, engine_);
        } else {
            peer->move(address);
        }
    }
}

Peer *Peers::find(std::uint64_t id) const {
    const std::lock_guard guard(lock_);
    const auto at = list_.find(id);
    return at == list_.end() ? nullptr : at->second.get();
}

std::optional<std::string> Peers::address(std::uint64_t id) const {
    Peer *peer = find(id);
    return peer == nullptr ? std::nullopt : std::optional(peer->address());
}

void Peers::send(rft::Span<rft::Message> messages) {
    for (const rft::Message message : messages) {
        Peer *peer = find(message.to());
        if (peer != nullptr) {
            peer->send(message.data().text());
        }
    }
}

void Peers::report_to(rft::Engine &engine) {
    engine_ = &engine;
}

void Peers::stop() {
    const std::lock_guard guard(lock_);
    for (auto &[id, peer] : list_) {
        peer->ask_to_stop();
    }
    list_.clear();
}

} // namespace kv
