/// One client's connection, with a limit of time for all it does: a client that sends a byte a second must
/// not keep its thread for ever.
#ifndef KV_CONNECTION_HPP
#define KV_CONNECTION_HPP

#include <httplib.h>
#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>

namespace kv {

class Connection final : public httplib::Stream {
  public:
    /// Takes a connected socket over, closes it in the end. `tls` may be null.
    Connection(int socket, SSL_CTX *tls);
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;
    ~Connection() override;

    /// The one that this thread serves.
    static Connection &current();

    /// Waits for the next request, whose time begins with its first byte, for as long as a connection may be
    /// idle. The time of the first one begins with the connection, and the handshake is part of it: who asks
    /// for nothing must not keep a place. False when none has come.
    bool wait();
    /// The head has been read: its limit does not hold for the body.
    void head_is_read();
    /// The request line and the headers, as they came.
    const std::string &head() const {
        return head_;
    }
    /// No further request on this one: who sends on behind a refusal would be misunderstood.
    void last_request();
    bool is_last() const {
        return last_;
    }
    SSL *ssl() const {
        return ssl_.get();
    }

    /// For httplib.
    bool is_readable() const override;
    bool is_writable() const override;
    ssize_t read(char *into, std::size_t size) override;
    ssize_t write(const char *from, std::size_t size) override;
    void get_remote_ip_and_port(std::string &ip, int &port) const override;
    void get_local_ip_and_port(std::string &ip, int &port) const override;
    int socket() const override {
        return socket_;
    }

  private:
    using Clock = std::chrono::steady_clock;
    struct FreeSsl {
        void operator()(SSL *ssl) const {
            SSL_free(ssl);
        }
    };

    bool shake_hands();
    bool ready(short events, Clock::time_point until);
    template <class F> ssize_t attempt(Clock::time_point until, F &&once);
    void linger();

    const int socket_;
    std::unique_ptr<SSL, FreeSsl> ssl_;
    bool shaken_;
    bool first_ = true, in_head_ = true, last_ = false, expired_ = false, unread_ = false;
    Clock::time_point began_;
    std::string head_;
    std::string buffer_; // what has been received and not been read
    std::size_t at_ = 0;
};

} // namespace kv

#endif // KV_CONNECTION_HPP
