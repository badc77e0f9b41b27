#include "connection.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kv {

namespace {

constexpr std::chrono::seconds request_time(10); // for head and body
constexpr std::chrono::seconds idle_time(120);   // without a request, or for its answer
constexpr std::chrono::seconds linger_time(2);
constexpr std::size_t head_max = std::size_t{64} << 10;
constexpr std::size_t receive_size = std::size_t{16} << 10;

thread_local Connection *serving = nullptr;

} // namespace

Connection::Connection(int socket, SSL_CTX *tls)
    : socket_(socket), ssl_(tls == nullptr ? nullptr : SSL_new(tls)), shaken_(tls == nullptr),
      began_(Clock::now()) {
    serving = this;
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
    if (ssl_ != nullptr) {
        SSL_set_fd(ssl_.get(), socket_);
    }
}

Connection::~Connection() {
    serving = nullptr;
    if (ssl_ != nullptr && shaken_ && !expired_) {
        SSL_shutdown(ssl_.get());
    }
    ERR_clear_error();
    linger();
    close(socket_);
}

Connection &Connection::current() {
    return *serving;
}

/// Waits until the socket can do one of these. False when the time is over.
bool Connection::ready(short events, Clock::time_point until) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        if (left <= 0) {
            return false;
        }
        pollfd waiting = {socket_, events, 0};
        const int n = poll(&waiting, 1, static_cast<int>(left));
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
    }
}

/// Does it once it can be done: `once` gives a count, or a negative one with the events in `want` that it
/// waits for.
template <class F> ssize_t Connection::attempt(Clock::time_point until, F &&once) {
    for (;;) {
        short want = 0;
        const ssize_t n = once(want);
        if (n >= 0 || want == 0) {
            return n;
        }
        if (!ready(want, until)) {
            expired_ = true;
            return -1;
        }
    }
}

static ssize_t result_of(SSL *ssl, int result, short &want) {
    switch (result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
        return result;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
        want = POLLIN;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        want = POLLOUT;
        return -1;
    default:
        return -1;
    }
}

static ssize_t result_of(ssize_t result, short wanted, short &want) {
    want = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? wanted : short{0};
    return result;
}

bool Connection::shake_hands() {
    shaken_ = ssl_ != nullptr && attempt(began_ + request_time, [this](short &want) {
                                     ERR_clear_error();
                                     return result_of(ssl_.get(), SSL_accept(ssl_.get()), want);
                                 }) > 0;
    return shaken_;
}

bool Connection::wait() {
    in_head_ = true;
    unread_ = false;
    head_.clear();
    const bool more = at_ < buffer_.size() || (ssl_ != nullptr && SSL_pending(ssl_.get()) > 0);
    if (!more && !ready(POLLIN, first_ ? began_ + request_time : Clock::now() + idle_time)) {
        return false;
    }
    if (first_) {
        first_ = false;
        return shaken_ || shake_hands();
    }
    began_ = Clock::now();
    return true;
}

void Connection::head_is_read() {
    in_head_ = false;
}

void Connection::last_request() {
    last_ = true;
    unread_ = true;
}

bool Connection::is_readable() const {
    return true;
}

bool Connection::is_writable() const {
    return !expired_;
}

ssize_t Connection::read(char *into, std::size_t size) {
    if (at_ == buffer_.size()) {
        buffer_.resize(receive_size);
        at_ = 0;
        const ssize_t n = attempt(began_ + request_time, [this](short &want) {
            if (ssl_ == nullptr) {
                return result_of(recv(socket_, buffer_.data(), buffer_.size(), 0), POLLIN, want);
            }
            ERR_clear_error();
            return result_of(ssl_.get(),
                             SSL_read(ssl_.get(), buffer_.data(), static_cast<int>(buffer_.size())), want);
        });
        buffer_.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        if (n <= 0) {
            return n;
        }
    }
    const std::size_t n = std::min(size, buffer_.size() - at_);
    std::memcpy(into, buffer_.data() + at_, n);
    at_ += n;
    if (in_head_) {
        head_.append(into, n);
    }
    if (head_.size() > head_max || Clock::now() > began_ + request_time) {
        return -1;
    }
    return static_cast<ssize_t>(n);
}

ssize_t Connection::write(const char *from, std::size_t size) {
    if (expired_) {
        return -1; // who was too slow for a request gets no answer
    }
    const int piece = static_cast<int>(std::min(size, receive_size));
    return attempt(began_ + idle_time, [&](short &want) {
        if (ssl_ == nullptr) {
            return result_of(send(socket_, from, size, MSG_NOSIGNAL), POLLOUT, want);
        }
        ERR_clear_error();
        return result_of(ssl_.get(), SSL_write(ssl_.get(), from, piece), want);
    });
}

void Connection::get_remote_ip_and_port(std::string &, int &) const {
}

void Connection::get_local_ip_and_port(std::string &, int &) const {
}

/// A socket that is closed with bytes unread takes back what was sent last: the refusal, which is to be read.
void Connection::linger() {
    shutdown(socket_, SHUT_WR);
    const auto until = Clock::now() + linger_time;
    char waste[4096];
    while (unread_ && !expired_ && ready(POLLIN, until) && recv(socket_, waste, sizeof waste, 0) > 0) {
    }
}

} // namespace kv
