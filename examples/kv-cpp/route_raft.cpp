// POST /raft: messages of the other nodes, one bare or many in frames.
#include "frames.hpp"
#include "routes.hpp"
#include "tls.hpp"

#include <algorithm>
#include <charconv>

namespace kv {

using rft::Code;

namespace {

/// rafthttp writes ids as hex without 0x.
std::optional<std::uint64_t> parse_hex(const std::string &text) {
    std::uint64_t value = 0;
    const char *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
    return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

/// Hands all messages to the engine. One that speaks of a node unknown here is passed over: it may come from
/// a member that was removed a moment ago, and says nothing about the messages behind it.
rft::Status step(rft::Engine &engine, std::uint64_t from, const std::vector<rft::Bytes> &messages) {
    // Every call looks at all it is given. Where there are many to pass over, they come in pieces: else each
    // would cost as much as all of them.
    std::size_t most = messages.size();
    for (auto at = messages.begin(); at != messages.end();) {
        const std::vector<rft::Bytes> piece(
            at, at + std::min(static_cast<std::ptrdiff_t>(most), messages.end() - at));
        std::size_t done = 0;
        rft::Status status = engine.step_from(from, piece, &done);
        if (status.ok()) {
            at += static_cast<std::ptrdiff_t>(piece.size());
            most = 2 * piece.size();
        } else if (status.code() == Code::unknown_peer) {
            at += static_cast<std::ptrdiff_t>(done) + 1;
            most = 1;
        } else {
            return status;
        }
    }
    return {};
}

} // namespace

bool route_raft_head(Exchange &exchange) {
    const Options &options = exchange.node.options;
    if (parse_hex(exchange.request.get_header_value("X-Etcd-Cluster-ID")) != options.cluster_id) {
        exchange.text(412, "cluster ID mismatch");
        return false;
    }
    const auto from = parse_hex(exchange.request.get_header_value("X-Server-From"));
    if (!from) {
        exchange.text(400, "X-Server-From is not a node's id in hex");
        return false;
    }
    if (options.tls.on() && common_name(exchange.request.ssl) != "rft-node-" + std::to_string(*from)) {
        exchange.text(403, "the certificate is not that of the node in X-Server-From");
        return false;
    }
    exchange.from = *from;
    return true;
}

void route_raft(Exchange &exchange) {
    std::vector<rft::Bytes> messages = {exchange.body};
    if (exchange.request.get_header_value("Content-Type") == type_frames) {
        auto frames = split_frames(exchange.body);
        if (!frames) {
            return exchange.text(400, "the body is not whole frames");
        }
        messages = std::move(*frames);
    }
    const rft::Status status = step(exchange.node.engine(), exchange.from, messages);
    const Code code = status.code();
    if (code == Code::ok) {
        return exchange.empty(204);
    }
    const bool senseless = code == Code::decode || code == Code::local_message ||
                           code == Code::wrong_receiver || code == Code::wrong_sender ||
                           code == Code::invalid_arg;
    exchange.text(senseless ? 400 : code == Code::busy ? 503 : 500, status.message());
}

} // namespace kv
