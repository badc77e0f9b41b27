#include "peer.hpp"

#include "frames.hpp"
#include "log.hpp"
#include "members.hpp"

#include <cinttypes>
#include <cstdio>
#include <utility>

namespace kv {

namespace {

constexpr std::size_t queue_messages_max = 4096;
constexpr std::size_t queue_bytes_max = std::size_t{64} << 20;
constexpr std::size_t batch_bytes_max = std::size_t{4} << 20; // a longer single message travels alone
constexpr std::chrono::seconds connect_timeout(1), post_timeout(5);

std::string hex(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%" PRIx64, value);
    return text;
}

} // namespace

Peer::Peer(std::uint64_t id, std::string address, const Sender &sender,
           const std::atomic<rft::Engine *> &engine)
    : id_(id), sender_(sender), engine_(engine), address_(std::move(address)), thread_([this] { run(); }) {
}

Peer::~Peer() {
    ask_to_stop();
    thread_.join();
}

void Peer::move(const std::string &address) {
    const std::lock_guard guard(lock_);
    address_ = address;
}

std::string Peer::address() const {
    const std::lock_guard guard(lock_);
    return address_;
}

void Peer::send(std::string_view message) {
    const std::lock_guard guard(lock_);
    if (queue_.size() >= queue_messages_max || message.size() > queue_bytes_max - queued_bytes_ ||
        message.size() > frames_body_max - frames_head) {
        overflowed_ = true;
    } else {
        queue_.emplace_back(message);
        queued_bytes_ += message.size();
    }
    wake_.notify_one();
}

void Peer::ask_to_stop() {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    wake_.notify_one();
    if (client_ != nullptr) {
        client_->stop();
    }
}

/// Waits for messages and moves as many as make a batch into it. False when it is time to end.
bool Peer::take(Batch &batch) {
    std::unique_lock guard(lock_);
    wake_.wait(guard, [this] { return !queue_.empty() || overflowed_ || stopping_; });
    batch.body.clear();
    batch.count = 0;
    while (!queue_.empty() &&
           (batch.count == 0 || batch.body.size() + frames_head + queue_.front().size() <= batch_bytes_max)) {
        append_frame(batch.body, queue_.front());
        queued_bytes_ -= queue_.front().size();
        queue_.pop_front();
        batch.count++;
    }
    batch.overflowed = std::exchange(overflowed_, false);
    batch.address = address_;
    return !stopping_;
}

/// The connection to this address, kept from batch to batch.
httplib::ClientImpl &Peer::client(const std::string &address) {
    if (client_ == nullptr || client_address_ != address) {
        const TlsFiles &tls = sender_.tls;
        // Not by an URL: httplib understands few of those in brackets. One that is none reaches nobody.
        const auto [host, port] = host_and_port(address).value_or(std::pair(address, 0));
        std::unique_ptr<httplib::ClientImpl> fresh;
        if (tls.on()) {
            fresh = std::make_unique<httplib::SSLClient>(host, port, tls.certificate, tls.key);
            fresh->set_ca_cert_path(tls.authority);
            fresh->enable_server_certificate_verification(true);
        } else {
            fresh = std::make_unique<httplib::ClientImpl>(host, port);
        }
        fresh->set_keep_alive(true);
        fresh->set_tcp_nodelay(true);
        fresh->set_connection_timeout(connect_timeout);
        fresh->set_read_timeout(post_timeout);
        fresh->set_write_timeout(post_timeout);
        const std::lock_guard guard(lock_);
        client_ = std::move(fresh);
        client_address_ = address;
    }
    return *client_;
}

/// One POST. Empty when the peer took all, else the reason.
std::string Peer::post(const Batch &batch) {
    const httplib::Headers headers = {{"X-Etcd-Cluster-ID", hex(sender_.cluster_id)},
                                      {"X-Server-From", hex(sender_.id)}};
    // A single message goes bare, as rafthttp's pipeline sends it.
    const std::size_t skip = batch.count == 1 ? frames_head : 0;
    const httplib::Result result = client(batch.address)
                                       .Post("/raft", headers, batch.body.data() + skip,
                                             batch.body.size() - skip, skip > 0 ? type_message : type_frames);
    if (!result) {
        return httplib::to_string(result.error());
    }
    switch (result->status) {
    case 204:
        return {};
    case 403:
        return "it does not take this node's certificate for this node's";
    case 412:
        return "it belongs to another cluster";
    case 503:
        return "it is busy";
    default:
        return "it refused the messages";
    }
}

void Peer::run() {
    Batch batch;
    bool reachable = true;
    while (take(batch)) {
        const std::string why = batch.count > 0 ? post(batch) : std::string();
        if (why.empty() != reachable) {
            reachable = why.empty();
            log(reachable ? rft::LogLevel::info : rft::LogLevel::warn,
                "node " + std::to_string(id_) + " at " + batch.address + ": " +
                    (reachable ? "reachable again" : why));
        }
        rft::Engine *engine = engine_;
        if ((!why.empty() || batch.overflowed) && engine != nullptr) {
            // An engine that has stopped meanwhile need not hear it.
            static_cast<void>(engine->report_unreachable(id_));
        }
    }
}

} // namespace kv
