/// What each path does.
#ifndef KV_ROUTES_HPP
#define KV_ROUTES_HPP

#include "reply.hpp"

#include <string_view>

namespace kv {

/// What becomes of a method and a path.
struct Route {
    void (*run)(Exchange &exchange) = nullptr;
    /// Before the body is read, and says whether it shall be.
    bool (*head)(Exchange &exchange) = nullptr;
    std::size_t body_max = 0;
    int refusal = 0; ///< Where there is nothing to run: 404 or 405.
};

Route find_route(std::string_view method, std::string_view path);

/// One file each.
void route_kv(Exchange &exchange);          ///< PUT, DELETE and GET below /kv/
void route_members(Exchange &exchange);     ///< POST /members
void route_member_list(Exchange &exchange); ///< PUT /members
bool route_raft_head(Exchange &exchange);   ///< POST /raft, before its body
void route_raft(Exchange &exchange);        ///< POST /raft
void route_status(Exchange &exchange);      ///< GET /status

} // namespace kv

#endif // KV_ROUTES_HPP
