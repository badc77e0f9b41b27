/// The way to one other node.
#ifndef KV_PEER_HPP
#define KV_PEER_HPP

#include <rft.hpp>

#include "options.hpp"

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace kv {

/// Who speaks.
struct Sender {
    std::uint64_t id, cluster_id;
    TlsFiles tls;
};

class Peer {
  public:
    /// `engine` may point to nothing yet; it is told when the peer cannot be reached. Both outlive the peer.
    Peer(std::uint64_t id, std::string address, const Sender &sender,
         const std::atomic<rft::Engine *> &engine);
    Peer(const Peer &) = delete;
    Peer &operator=(const Peer &) = delete;
    ~Peer();

    void move(const std::string &address);
    std::string address() const;
    /// Queues a copy; drops it when the queue is full.
    void send(std::string_view message);
    /// Interrupts what its thread does. The destructor waits for its end.
    void ask_to_stop();

  private:
    /// What one turn of the thread takes from the queue.
    struct Batch {
        std::string address, body;
        std::size_t count = 0;
        bool overflowed = false;
    };

    void run();
    bool take(Batch &batch);
    std::string post(const Batch &batch);
    httplib::ClientImpl &client(const std::string &address);

    const std::uint64_t id_;
    const Sender &sender_;
    const std::atomic<rft::Engine *> &engine_;

    mutable std::mutex lock_; // all below, but for the thread
    std::condition_variable wake_;
    std::string address_;
    std::deque<std::string> queue_;
    std::size_t queued_bytes_ = 0;
    bool overflowed_ = false, stopping_ = false;
    std::unique_ptr<httplib::ClientImpl>
        client_; // made and used by the thread, which holds no lock while it does
    std::string client_address_;
    std::thread thread_;
};

} // namespace kv

#endif // KV_PEER_HPP
