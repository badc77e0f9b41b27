/// The command line.
#ifndef KV_OPTIONS_HPP
#define KV_OPTIONS_HPP

#include "members.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace kv {

/// Paths of PEM files; all empty is no TLS.
struct TlsFiles {
    std::string authority, certificate, key;

    bool on() const {
        return !authority.empty();
    }
    const char *scheme() const {
        return on() ? "https" : "http";
    }
};

struct Options {
    std::uint64_t id = 0, cluster_id = 1;
    Members cluster;
    std::string dir;
    TlsFiles tls;
    bool join = false, lease_reads = false, verbose = false;
    /// Where there is none, the library's default holds.
    std::optional<std::uint64_t> tick_ms, segment_bytes, snapshot_entries, disk_reserve;

    /// Nothing when the line makes no sense: what is wrong, and the usage, are on stderr then.
    static std::optional<Options> parse(int argc, char **argv);
};

} // namespace kv

#endif // KV_OPTIONS_HPP
