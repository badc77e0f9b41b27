#include "routes.hpp"

#include "frames.hpp"

namespace kv {

namespace {

constexpr std::string_view kv_prefix = "/kv/", transfer_prefix = "/transfer/";
constexpr std::size_t small_body_max = std::size_t{64} << 10;

bool begins(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

void route_snapshot(Exchange &exchange) {
    const rft::Status status = exchange.node.engine().snapshot();
    return status.ok() ? exchange.text(202, "a snapshot is under way") : exchange.status(status);
}

void route_transfer(Exchange &exchange) {
    const auto to = parse_id(exchange.path.substr(transfer_prefix.size()));
    if (!to) {
        return exchange.text(400, "the path ends with the id of the new leader");
    }
    rft::Engine &engine = exchange.node.engine();
    rft::Result<rft::NodeStatus> now = engine.status();
    if (!now.ok()) {
        return exchange.status(now.status());
    }
    if (now->state() != rft::Role::leader) {
        return exchange.leader(now->leader);
    }
    const rft::Status status = engine.transfer_leader(*to);
    return status.ok() ? exchange.text(202, "the transfer is under way") : exchange.status(status);
}

struct Row {
    std::string_view path, method;
    Route route;
};

constexpr Row rows[] = {
    {"/status", "GET", {route_status, nullptr, 0}},
    {"/members", "POST", {route_members, nullptr, small_body_max}},
    {"/members", "PUT", {route_member_list, nullptr, small_body_max}},
    {"/snapshot", "POST", {route_snapshot, nullptr, small_body_max}},
    {"/raft", "POST", {route_raft, route_raft_head, frames_body_max}},
};

} // namespace

Route find_route(std::string_view method, std::string_view path) {
    if (begins(path, kv_prefix) && (method == "PUT" || method == "DELETE" || method == "GET")) {
        return {route_kv, nullptr, method == "PUT" ? value_max : 0};
    }
    if (begins(path, transfer_prefix) && method == "POST") {
        return {route_transfer, nullptr, small_body_max};
    }
    bool is_there = begins(path, kv_prefix) || begins(path, transfer_prefix);
    for (const Row &row : rows) {
        if (row.path == path && row.method == method) {
            return row.route;
        }
        is_there = is_there || row.path == path;
    }
    return {nullptr, nullptr, 0, is_there ? 405 : 404};
}

} // namespace kv
