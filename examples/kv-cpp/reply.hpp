/// The ways to answer a request.
#ifndef KV_REPLY_HPP
#define KV_REPLY_HPP

#include "node.hpp"

#include <httplib.h>

#include <chrono>
#include <string>
#include <string_view>

namespace kv {

/// How long a request waits for the cluster.
constexpr std::chrono::milliseconds wait_time(5000);

/// One request with its whole body.
struct Exchange {
    Node &node;
    const httplib::Request &request;
    httplib::Response &response;
    std::string_view path; ///< As sent: percent signs and all, without the query.
    std::string body;
    std::uint64_t from = 0; ///< The node that sends messages, by its word and its certificate.

    void empty(int status);
    void text(int status, std::string_view text);
    /// The key's revision as the answer's ETag; 0 is none.
    void tag(std::uint64_t revision);
    /// To the leader, with the same path and query; 503 with Retry-After when none is known.
    void leader(std::uint64_t leader);
    /// What a call of the library ended with, success included.
    void status(const rft::Status &status);
};

} // namespace kv

#endif // KV_REPLY_HPP
