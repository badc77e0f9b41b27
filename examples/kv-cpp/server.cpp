#include "server.hpp"

#include "connection.hpp"
#include "log.hpp"
#include "routes.hpp"
#include "threads.hpp"

#include <algorithm>
#include <array>
#include <cctype>
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

/// httplib leaves out a header without a value, and undoes percent signs in others. What a condition and a
/// length say has to be what was sent.
void put_back(httplib::Request &request, std::string_view head) {
    constexpr std::array names = {"If-Match", "If-None-Match", "Content-Length", "Transfer-Encoding"};
    for (const char *name : names) {
        request.headers.erase(name);
    }
    std::string_view line;
    next_line(head, line); // that of the request
    while (next_line(head, line)) {
        const std::size_t colon = std::min(line.find(':'), line.size());
        const std::string name(line.substr(0, colon));
        if (std::any_of(names.begin(), names.end(),
                        [&name](const char *known) { return strcasecmp(name.c_str(), known) == 0; })) {
            constexpr std::string_view blank = ": \t\r";
            line.remove_prefix(std::min(line.find_first_not_of(blank, colon), line.size()));
            request.headers.emplace(name, line.substr(0, line.find_last_not_of(blank) + 1));
        }
    }
}

/// Whether each header has a name and a colon behind it. httplib passes over what it does not understand,
/// and a condition that is passed over must not become a write without one.
bool is_sound(std::string_view head) {
    static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    std::string_view line;
    next_line(head, line); // that of the request
    while (next_line(head, line) && line != "\r") {
        const std::string_view name = line.substr(0, line.find(':'));
        if (name.empty() || name.size() == line.size() || line.find('\0') != line.npos ||
            !std::all_of(name.begin(), name.end(), [](unsigned char c) {
                return std::isalnum(c) != 0 || others.find(static_cast<char>(c)) != others.npos;
            })) {
            return false;
        }
    }
    return true;
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
    const auto at = host_and_port(address);
    if (files.on() && (tls_ = load_tls(files)) == nullptr) {
        return false;
    }
    if (!at || !bind_to_port(at->first, at->second) || ::listen(svr_sock_, backlog) != 0) {
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
                put_back(request, connection.head());
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
        if (body->is_there()) {
            Connection::current().last_request();
            response.set_header("Connection", "close");
        }
    };
    if (!body || !is_sound(Connection::current().head())) {
        exchange.text(400, body ? "a header makes no sense" : "the length of the body makes no sense");
        Connection::current().last_request();
        response.set_header("Connection", "close");
        return;
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
