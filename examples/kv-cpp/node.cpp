#include "node.hpp"

#include "log.hpp"

#include <filesystem>
#include <fstream>
#include <string>

namespace kv {

using rft::Code;
using rft::LogLevel;
using rft::Setting;

namespace {

constexpr std::chrono::seconds stop_timeout(10);

/// How many times this directory was started, this time included. A count for people: a lost or torn file
/// only makes it begin again.
std::uint64_t count_start(const std::filesystem::path &path) {
    std::uint64_t starts = 0;
    if (!(std::ifstream(path) >> starts)) {
        starts = 0;
    }
    std::ofstream(path) << starts + 1 << '\n';
    return starts + 1;
}

} // namespace

Node::Node(const Options &from)
    : options(from),
      // The addresses a new cluster begins with. A node that joins gets them with its first snapshot.
      store(from.join ? Members() : from.cluster), peers(from.id, from.cluster_id, from.tls) {
}

Node::~Node() {
    if (engine_) {
        stop();
    }
    peers.stop(); // before the engine goes: its threads report to it
}

// What the library asks of its host.
rft::Host Node::host() {
    rft::Host host;
    host.send = [this](rft::Span<rft::Message> messages) { peers.send(messages); };
    host.apply = [this](rft::Span<rft::Entry> entries) {
        bool members_changed = false;
        const Code code = store.apply(entries, members_changed);
        if (code != Code::ok) {
            log(LogLevel::error, "an entry from " + std::to_string(entries[0].index()) +
                                     " on cannot be applied: " + rft::describe(code));
        } else if (members_changed) {
            peers.set(store.members()); // the addresses are part of the replicated state
        }
        return code;
    };
    host.save = [this](rft::SnapshotWriter to) { return store.save(to); };
    host.restore = [this](rft::SnapshotReader from) {
        const Code code = store.restore(from);
        if (code == Code::ok) {
            peers.set(store.members());
            counters.snapshots_restored++;
            counters.snapshot_bytes_restored += from.size();
        }
        return code;
    };
    host.event = [this](rft::Event event) { on_event(event); };
    host.log = [](LogLevel level, std::string_view text) { log(level, "rft: " + std::string(text)); };
    return host;
}

void Node::on_event(rft::Event event) {
    const rft_event_t &raw = event.raw();
    switch (event.kind()) {
    case rft::EventKind::role:
        counters.elections += raw.leader != 0;
        log(LogLevel::info,
            "term " + std::to_string(raw.term) + ": node " + std::to_string(raw.leader) + " leads");
        break;
    case rft::EventKind::membership:
        log(LogLevel::info, "membership changed at index " + std::to_string(raw.index));
        break;
    case rft::EventKind::snapshot_saved:
        counters.snapshots_saved++;
        counters.snapshot_bytes_saved += raw.bytes;
        break;
    case rft::EventKind::recovered:
        log(LogLevel::info, "recovered, with the snapshot at index " + std::to_string(raw.index) +
                                (event.text().empty() ? "" : ": ") + std::string(event.text()));
        break;
    case rft::EventKind::disk_full:
        log(LogLevel::warn, "the disk is full: " + std::to_string(raw.bytes) + " bytes are left");
        break;
    case rft::EventKind::disk_has_room:
        log(LogLevel::info, "the disk has room again: " + std::to_string(raw.bytes) + " bytes");
        break;
    case rft::EventKind::failed:
        log(LogLevel::error, "this node has failed: " + std::string(event.text()));
        break;
    case rft::EventKind::snapshot_restored:
    case rft::EventKind::damaged:
    case rft::EventKind::refilled:
    case rft::EventKind::paused:
    case rft::EventKind::disk_stalled:
    case rft::EventKind::disk_moves:
        break; // the library logs them; a newer one may know more kinds
    }
}

rft::Status Node::configure(rft::Config &config) const {
    const auto set = [&config](rft::Status before, Setting setting, std::uint64_t value) {
        return before.ok() ? config.set(setting, value) : std::move(before);
    };
    rft::Status status = set({}, Setting::id, options.id);
    status = set(std::move(status), Setting::cluster_id, options.cluster_id);
    if (options.tick_ms.value_or(0) != 0) {
        status = set(std::move(status), Setting::tick_interval_ms, *options.tick_ms);
    }
    if (options.segment_bytes.value_or(0) != 0) {
        status = set(std::move(status), Setting::segment_bytes, *options.segment_bytes);
    }
    if (options.snapshot_entries) {
        status = set(std::move(status), Setting::snapshot_entries, *options.snapshot_entries);
    }
    if (options.disk_reserve) {
        status = set(std::move(status), Setting::disk_reserve_bytes, *options.disk_reserve);
    }
    if (options.lease_reads) {
        status = set(std::move(status), Setting::lease_reads, 1);
    }
    // A node that joins has no voters: it learns of them from the leader that takes it in.
    if (!options.join) {
        for (const auto &[id, address] : options.cluster) {
            if (status.ok()) {
                status = config.add_voter(id);
            }
        }
    }
    return status;
}

bool Node::open() {
    const std::filesystem::path dir = options.dir;
    std::error_code error;
    std::filesystem::create_directory(dir, error);
    if (error) {
        log(LogLevel::error, "cannot make the directory " + options.dir + ": " + error.message());
        return false;
    }
    rft::Config config;
    if (rft::Status status = configure(config); !status.ok()) {
        log_failure("a setting is refused", status);
        return false;
    }
    // Callbacks begin inside of open: what they use stands ready before.
    peers.set(options.cluster);
    const std::string log_dir = dir / "raft";
    rft::Result<rft::Engine> engine = rft::Engine::open(config, log_dir, host());
    if (!engine.ok()) {
        log_failure(log_dir, engine.status());
        return false;
    }
    engine_ = std::move(*engine);
    counters.starts = count_start(dir / "starts");
    peers.report_to(*engine_);
    return true;
}

void Node::stop() {
    if (rft::Status status = engine_->stop(stop_timeout); !status.ok()) {
        log_failure("the engine does not stop", status);
    }
}

} // namespace kv
