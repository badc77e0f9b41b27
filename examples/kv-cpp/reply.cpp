#include "reply.hpp"

namespace kv {

using rft::Code;

namespace {

int http_status(Code code) {
    switch (code) {
    case Code::ok:
        return 204;
    case Code::busy:
    case Code::disk_full:
    case Code::dropped:
    case Code::not_leader:
        return 503; // certain: nothing was done, so trying again is safe
    case Code::conf_change:
    case Code::quorum_at_risk:
    case Code::learner_behind:
        return 409;
    case Code::too_large:
        return 413;
    case Code::invalid_arg:
        return 400;
    case Code::timed_out:
    case Code::unknown:
    case Code::stopped:
        return 504;
    case Code::config:
    case Code::panic:
    case Code::decode:
    case Code::local_message:
    case Code::unknown_peer:
    case Code::wrong_receiver:
    case Code::wrong_sender:
    case Code::compacted:
    case Code::unavailable:
    case Code::snapshot_old:
    case Code::snapshot_unavailable:
    case Code::io:
    case Code::corrupt:
    case Code::locked:
    case Code::foreign:
    case Code::host:
    case Code::invariant:
    case Code::reentrant:
    case Code::misuse:
    case Code::session:
        break;
    }
    return 500;
}

} // namespace

void Exchange::empty(int status) {
    response.status = status;
}

void Exchange::text(int status, std::string_view text) {
    response.status = status;
    response.set_content(std::string(text) + "\n", "text/plain; charset=utf-8");
    if (status == 503) {
        response.set_header("Retry-After", "1");
    }
}

void Exchange::tag(std::uint64_t revision) {
    if (revision != 0) {
        response.set_header("ETag", '"' + std::to_string(revision) + '"');
    }
}

void Exchange::leader(std::uint64_t leader) {
    const auto address = leader == node.options.id ? std::nullopt : node.peers.address(leader);
    if (!address) {
        return text(503, "no leader is known; nothing was done");
    }
    response.status = 307;
    response.set_header("Location", node.options.tls.scheme() + ("://" + *address) + request.target);
}

void Exchange::status(const rft::Status &status) {
    if (status.ok()) {
        return empty(204);
    }
    if (status.code() == Code::not_leader) {
        return leader(status.leader());
    }
    const int number = http_status(status.code());
    // A writer has to learn that nobody can tell. A read changes nothing: it may simply be tried again.
    const bool unsure = number >= 500 && number != 503 && request.method != "GET";
    text(number, (unsure ? "the outcome is unknown: " : "") + std::string(status.message()) + " (" +
                     rft::name(status.code()) + ")");
}

} // namespace kv
