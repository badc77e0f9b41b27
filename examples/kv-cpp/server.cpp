#include "server.hpp"

#include "connection.hpp"
#include "log.hpp"
#include "routes.hpp"
#include "threads.hpp"

#include <charconv>
#include <csignal>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kv {

namespace {

constexpr int backlog = 512;

/// What httplib would do with these is not part of the service: unpack a body, take a form apart, compress an
/// answer or cut a range out of it. And its routes are regular expressions, ours are in routes.cpp.
void tidy(httplib::Request &request) {
    for (const char *header : {"Content-Encoding", "Accept-Encoding", "Range"}) {
        request.headers.erase(header);
    }
    if (request.is_multipart_form_data()) {
        request.headers.erase("Content-Type");
    }
    request.ranges.clear();
    request.path = "/";
}

/// httplib leaves out a header without a value. A condition that is empty must not become a write without
/// one.
void put_back_empty(httplib::Request &request, std::string_view head) {
    std::string_view line;
    while (next_line(head, line)) {
        const std::size_t colon = line.find(':');
        const std::string name(line.substr(0, colon));
        if (colon == line.npos || line.find_first_not_of(" \t\r", colon + 1) != line.npos) {
            continue;
        }
        if (strcasecmp(name.c_str(), "If-Match") == 0 || strcasecmp(name.c_str(), "If-None-Match") == 0) {
            request.headers.emplace(name, "");
        }
    }
}

struct Body {
    bool chunked = false;
    std::uint64_t size = 0; ///< Without `chunked`.

    bool is_there() const {
        return chunked || size > 0;
    }
    /// What the head says of it. Nothing when that makes no sense.
    static std::optional<Body> of(const httplib::Request &request) {
        Body body;
        const bool coded = request.has_header("Transfer-Encoding");
        const std::size_t sizes = request.get_header_value_count("Content-Length");
        const std::string text = request.get_header_value("Content-Length");
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), body.size);
        body.chunked = coded && request.get_header_value("Transfer-Encoding") == "chunked";
        const bool whole = error == std::errc() && end == text.data() + text.size();
        if ((coded && (!body.chunked || sizes > 0)) || sizes > 1 || (sizes == 1 && !whole)) {
            return std::nullopt;
        }
        return body;
    }
};

} // namespace

Server::Server(Node &node) : node_(node) {
    const auto bare = [this](const httplib::Request &request, httplib::Response &response) {
        answer(request, response, nullptr);
    };
    const auto with_body = [this](const httplib::Request &request, httplib::Response &response,
                                  const httplib::ContentReader &reader) {
        answer(request, response, &reader);
    };
    Get("/", bare);
    Options("/", bare);
    Put("/", with_body);
    Post("/", with_body);
    Patch("/", with_body);
    Delete("/", with_body);
    new_task_queue = [] { return new Threads; };
    set_exception_handler(
        [](const httplib::Request &, httplib::Response &response, const std::exception_ptr &) {
            Connection::current().last_request();
            response.status = 500;
            response.set_content("the outcome is unknown: this node could not go on with the request\n",
                                 "text/plain");
        });
    set_keep_alive_timeout(120); // what clients are told; Connection holds it
    set_keep_alive_max_count(1000000);
    set_socket_options([](int socket) {
        const int on = 1;
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
}

Server::~Server() {
    end();
}

bool Server::start(const std::string &address) {
    const TlsFiles &files = node_.options.tls;
    const std::size_t colon = address.rfind(':');
    const auto port = parse_id(address.substr(colon == address.npos ? 0 : colon + 1));
    if (files.on() && (tls_ = load_tls(files)) == nullptr) {
        return false;
    }
    if (colon == address.npos || !port || *port > UINT16_MAX ||
        !bind_to_port(address.substr(0, colon), static_cast<int>(*port)) ||
        ::listen(svr_sock_, backlog) != 0) {
        return false;
    }
    thread_ = std::thread([this] {
        if (!listen_after_bind()) {
            log(rft::LogLevel::error, "no connection can be taken any more");
            kill(getpid(), SIGTERM);
        }
    });
    return true;
}

void Server::end() {
    if (!thread_.joinable()) {
        return;
    }
    stop();
    {
        const std::lock_guard guard(lock_);
        ending_ = true;
        for (const int socket : open_) {
            ::shutdown(socket, SHUT_RDWR); // its thread sees the end
        }
    }
    thread_.join();
}

bool Server::enter(int socket) {
    const std::lock_guard guard(lock_);
    if (!ending_ && !Threads::turned_away()) {
        open_.insert(socket);
        return true;
    }
    return false;
}

void Server::leave(int socket) {
    const std::lock_guard guard(lock_);
    open_.erase(socket);
}

bool Server::process_and_close_socket(int socket) {
    if (!enter(socket)) {
        close(socket);
        return false;
    }
    {
        Connection connection(socket, tls_.get());
        bool closed = false;
        while (!closed && !connection.is_last() && connection.wait()) {
            bool has_head = false;
            const auto on_head = [&](httplib::Request &request) {
                has_head = true;
                connection.head_is_read();
                request.ssl = connection.ssl();
                tidy(request);
                put_back_empty(request, connection.head());
            };
            if (!process_request(connection, false, closed, on_head)) {
                break;
            }
            if (!has_head) { // httplib has refused it, and its body may follow
                connection.last_request();
            }
        }
        leave(socket); // before it is closed: the number may come again
    }
    return true;
}

void Server::answer(const httplib::Request &request, httplib::Response &response,
                    const httplib::ContentReader *reader) {
    const std::string_view target = request.target;
    Exchange exchange{node_, request, response, target.substr(0, target.find('?')), {}};
    const Route route = find_route(request.method, exchange.path);
    const std::optional<Body> body = Body::of(request);
    const auto refuse = [&] { // before the client sends it all
        if (!body || body->is_there()) {
            Connection::current().last_request();
            response.set_header("Connection", "close");
        }
    };
    if (!body) {
        exchange.text(400, "the length of the body makes no sense");
        return refuse();
    }
    if (route.run == nullptr) {
        exchange.text(route.refusal,
                      route.refusal == 404 ? "there is no such path" : "the path takes other methods");
        return refuse();
    }
    if (body->size > route.body_max || (reader == nullptr && body->is_there())) {
        exchange.text(413, "the body is too large");
        return refuse();
    }
    if (route.head != nullptr && !route.head(exchange)) {
        return refuse();
    }
    if (reader != nullptr && body->is_there()) {
        // A chunked body shows its length only as it comes.
        bool fits = true;
        const bool whole = (*reader)([&](const char *data, std::size_t size) {
            fits = size <= route.body_max - exchange.body.size();
            if (fits) {
                exchange.body.append(data, size);
            }
            return fits;
        });
        if (!whole) {
            exchange.text(fits ? 400 : 413, fits ? "the body is not whole" : "the body is too large");
            return refuse();
        }
    }
    route.run(exchange);
}

} // namespace kv
