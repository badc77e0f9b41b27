/// The HTTP server: reads requests, hands each to its route, a thread a connection.
#ifndef KV_SERVER_HPP
#define KV_SERVER_HPP

#include "node.hpp"
#include "tls.hpp"

#include <httplib.h>

#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace kv {

class Server final : public httplib::Server {
  public:
    explicit Server(Node &node);
    ~Server() override;

    /// Listens on host:port. False when that cannot be. The node must stay until stop().
    bool start(const std::string &address);
    /// After Node::stop, so that no request waits any more.
    void end();

  private:
    /// httplib's own loop has no limit of time for a whole request.
    bool process_and_close_socket(int socket) override;
    void answer(const httplib::Request &request, httplib::Response &response,
                const httplib::ContentReader *reader);
    bool enter(int socket);
    void leave(int socket);

    Node &node_;
    TlsContext tls_;
    std::thread thread_;
    std::mutex lock_; // all below
    std::set<int> open_;
    bool ending_ = false;
};

} // namespace kv

#endif // KV_SERVER_HPP
