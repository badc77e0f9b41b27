#include "options.hpp"

#include <cstdio>
#include <string_view>

namespace kv {

namespace {

constexpr const char *usage =
    "usage: kv-cpp --id ID --cluster ID=HOST:PORT,... --dir DIR [options]\n"
    "  --id ID               this node\n"
    "  --cluster LIST        where the nodes answer, this one too; without --join they are a new cluster's\n"
    "                        first members: the same list on each\n"
    "  --dir DIR             where this node keeps its log and snapshots\n"
    "  --join                wait to be added to a running cluster (POST /members there)\n"
    "  --cluster-id N        messages of other clusters are refused (default 1)\n"
    "  --tick-ms N           the clock of elections: a follower waits 10 to 20 ticks (default 100)\n"
    "  --snapshot-entries N  a snapshot after so many entries, 0: only by POST /snapshot (default 10000)\n"
    "  --segment-bytes N     length of a file of the log (default 64000000)\n"
    "  --disk-reserve BYTES  with less left on the disk no writes are taken, 0: no matter (default 64 MiB)\n"
    "  --tls-ca FILE         only HTTPS, only for certificates that this authority has signed: with\n"
    "  --tls-cert FILE       this node's certificate, of the common name rft-node-ID, and\n"
    "  --tls-key FILE        its key (all PEM)\n"
    "  --lease-reads         a leader answers reads by its lease; for all nodes or none\n"
    "  --verbose             debug lines too\n";

std::nullopt_t complain(const char *what, const char *about) {
    std::fprintf(stderr, "kv-cpp: %s %s\n%s", what, about, usage);
    return std::nullopt;
}

/// A decimal number, 0 included.
template <class T> bool number(std::string_view text, T &value) {
    const auto parsed = parse_id(text);
    if (!parsed && text != "0") {
        return false;
    }
    value = parsed.value_or(0);
    return true;
}

bool set(Options &options, std::string_view flag, std::string_view value) {
    const auto text = [value](std::string &to) {
        to = value;
        return !value.empty();
    };
    if (flag == "--id") {
        return number(value, options.id);
    }
    if (flag == "--cluster") {
        return take_list(options.cluster, value);
    }
    if (flag == "--dir") {
        return text(options.dir);
    }
    if (flag == "--cluster-id") {
        return number(value, options.cluster_id);
    }
    if (flag == "--tick-ms") {
        return number(value, options.tick_ms);
    }
    if (flag == "--segment-bytes") {
        return number(value, options.segment_bytes);
    }
    if (flag == "--snapshot-entries") {
        return number(value, options.snapshot_entries);
    }
    if (flag == "--disk-reserve") {
        return number(value, options.disk_reserve);
    }
    if (flag == "--tls-ca") {
        return text(options.tls.authority);
    }
    if (flag == "--tls-cert") {
        return text(options.tls.certificate);
    }
    return flag == "--tls-key" && text(options.tls.key);
}

} // namespace

std::optional<Options> Options::parse(int argc, char **argv) {
    Options options;
    for (int i = 1; i < argc; i++) {
        const std::string_view flag = argv[i];
        if (flag == "--join") {
            options.join = true;
        } else if (flag == "--lease-reads") {
            options.lease_reads = true;
        } else if (flag == "--verbose") {
            options.verbose = true;
        } else if (i + 1 == argc || !set(options, flag, argv[i + 1])) {
            return complain("cannot understand", argv[i]);
        } else {
            i++;
        }
    }
    if (options.id == 0 || options.dir.empty() || options.cluster.empty()) {
        return complain("needs", "--id, --cluster and --dir");
    }
    if (options.cluster.count(options.id) == 0) {
        return complain("needs", "this node's own address in --cluster");
    }
    if (options.tls.authority.empty() != options.tls.certificate.empty() ||
        options.tls.authority.empty() != options.tls.key.empty()) {
        return complain("needs", "--tls-ca, --tls-cert and --tls-key, or none of them");
    }
    return options;
}

} // namespace kv
