// Snapshots from views, full queues, and what holds an engine up. The argument is an empty directory.
#include "check.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>

namespace {

std::string root;

// What threads wait at while it is shut.
class Gate {
  public:
    void pass() {
        std::unique_lock<std::mutex> guard(lock_);
        ++waiting_;
        opened_.wait(guard, [&] { return open_; });
        --waiting_;
    }
    void set_open(bool open) {
        const std::lock_guard<std::mutex> guard(lock_);
        open_ = open;
        opened_.notify_all();
    }
    int waiting() {
        const std::lock_guard<std::mutex> guard(lock_);
        return waiting_;
    }

  private:
    std::mutex lock_;
    std::condition_variable opened_;
    bool open_ = false;
    int waiting_ = 0;
};

rft::Config config_of(std::initializer_list<std::uint64_t> voters) {
    rft::Config config(1, voters);
    OK(config.set(rft::Setting::tick_interval_ms, 10));
    return config;
}

rft::Engine open_alone(const char *name, rft::Host host) {
    rft::Engine engine = rft::Engine::open(config_of({1}), root + "/" + name, std::move(host)).value();
    OK(engine.campaign());
    until("it leads", [&] { return engine.read_wait(std::chrono::seconds(1)).ok(); });
    return engine;
}

void views() {
    List list;
    Gate gate;
    std::atomic<int> kind{0};
    Lines lines;
    rft::Host host = list.host(nullptr);
    host.log = [&](rft::LogLevel, std::string_view text) { lines.put(text); };
    host.view = [&]() -> rft::View {
        if (kind == 1) {
            throw std::runtime_error("view");
        }
        if (kind == 2) {
            return [](rft::SnapshotWriter) { throw std::runtime_error("save"); };
        }
        if (kind == 3) {
            return {};
        }
        return [&gate, copy = list.holds()](rft::SnapshotWriter to) -> rft::Code {
            gate.pass();
            for (const std::string &command : copy) {
                const rft::Status status = to.write(command + '\n');
                if (!status.ok()) {
                    return status.code();
                }
            }
            return rft::Code::ok;
        };
    };
    {
        rft::Engine engine = open_alone("views", std::move(host));
        OK(engine.call("before", patience));
        std::atomic<std::uint64_t> saved{0};
        OK(engine.snapshot([&](rft::Result<rft::Outcome> result) { saved = result.value().index; }));
        until("the view to be written", [&] { return gate.waiting() == 1; });
        const std::uint64_t after = engine.call("after", patience).value().index;
        until("its age", [&] { return engine.status().value().host_call_ms > 20; });
        CHECK(saved == 0);
        gate.set_open(true);
        until("the snapshot", [&] { return saved != 0; });
        CHECK(saved < after);
        for (kind = 1; kind <= 2; ++kind) {
            OK(engine.call("more", patience));
            GIVES(host, engine.snapshot_wait(patience));
        }
        const std::uint64_t last = engine.call("last", patience).value().index;
        CHECK(engine.snapshot_wait(patience).value().index >= last);
        CHECK(engine.counter(rft::Counter::snapshots_saved).value() == 2);
        CHECK(lines.has("view has thrown view") && lines.has("a view has thrown save"));
    }
    rft::Host half = list.host(nullptr);
    half.view = []() -> rft::View { return {}; };
    half.save = {};
    half.restore = {};
    GIVES(invalid_arg, rft::Engine::open(config_of({1}), root + "/half", std::move(half)));
}

// An engine whose queue is full while the gate is shut.
void room(bool waits) {
    List list;
    Gate gate;
    rft::Config config = config_of({1, 2});
    OK(config.set(rft::Setting::queue_items_max, 8));
    OK(config.set(rft::Setting::wait_for_room, waits ? 1 : 0));
    rft::Host host = list.host(nullptr);
    host.send = [&](rft::Span<rft::Message>) { gate.pass(); };
    std::atomic<int> pauses{0};
    host.event = [&](rft::Event event) {
        if (event.kind() == rft::EventKind::paused) {
            CHECK(event.time() > std::chrono::milliseconds(50));
            ++pauses;
        }
    };
    rft::Engine engine =
        rft::Engine::open(config, root + (waits ? "/waits" : "/busy"), std::move(host)).value();
    until("a full queue", [&] { return !engine.campaign().ok(); });
    const auto begun = std::chrono::steady_clock::now();
    GIVES(busy, engine.propose("x"));
    GIVES(busy, engine.propose_wait("x", std::chrono::milliseconds(100)));
    const auto took = std::chrono::steady_clock::now() - begun;
    CHECK((took >= std::chrono::milliseconds(100)) == waits);
    if (!waits) {
        gate.set_open(true);
        return;
    }
    std::thread thread([&] {
        // There is room then, and nobody leads.
        GIVES(not_leader, engine.propose_wait("y", patience));
    });
    gate.set_open(true);
    thread.join();
    until("the pause", [&] { return pauses > 0; });
    CHECK(engine.counter(rft::Counter::pauses).value() > 0);
}

// What a trace is made of, and only where it is asked for.
void trace() {
    for (const bool traces : {true, false}) {
        std::atomic<int> steps{0};
        List list;
        rft::Host host = list.host(nullptr);
        host.log = [&](rft::LogLevel level, std::string_view text) {
            steps += level == rft::LogLevel::trace && text.find("BecomeLeader") != std::string_view::npos;
        };
        rft::Config config = config_of({1});
        OK(config.set(rft::Setting::trace, traces));
        rft::Engine engine =
            rft::Engine::open(config, root + (traces ? "/traced" : "/untraced"), std::move(host)).value();
        OK(engine.campaign());
        until("it leads", [&] { return engine.read_wait(std::chrono::seconds(1)).ok(); });
        CHECK(steps == (traces ? 1 : 0));
    }
}

// How many logs of this process are open to be written past the system's cache.
int direct_logs() {
    int found = 0;
#ifdef O_DIRECT
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const std::filesystem::path file = std::filesystem::read_symlink(entry.path(), gone);
        const int flags = ::fcntl(std::stoi(entry.path().filename().string()), F_GETFL);
        found += file.extension() == ".wal" && flags != -1 && (flags & O_DIRECT) != 0;
    }
#endif
    return found;
}

// The log past the system's cache, or a line that says that it cannot be, and only where it is asked for.
void direct() {
    for (const bool asked : {true, false, true}) {
        std::atomic<int> told{0};
        List list;
        rft::Host host = list.host(nullptr);
        host.log = [&](rft::LogLevel, std::string_view text) {
            told += text.find("past the system's cache") != std::string_view::npos;
        };
        rft::Config config = config_of({1});
        OK(config.set(rft::Setting::direct_writes, asked));
        rft::Engine engine = rft::Engine::open(config, root + "/direct", std::move(host)).value();
        CHECK(direct_logs() + told == asked);
        OK(engine.campaign());
        until("it leads", [&] { return engine.read_wait(std::chrono::seconds(1)).ok(); });
        CHECK(engine.propose_wait("x", patience).ok());
    }
}

void settings() {
    rft::Config config = config_of({1});
    OK(config.set(rft::Setting::lease_reads, 1));
    OK(config.set(rft::Setting::clock_drift_percent, 20));
    OK(config.validate());
    OK(config.set(rft::Setting::check_quorum, 0));
    GIVES(config, config.validate());
    OK(config.set(rft::Setting::lease_reads, 0));
    OK(config.set(rft::Setting::snapshot_bytes, 1));
    OK(config.set(rft::Setting::snapshot_send_bytes_per_second, 1023));
    GIVES(config, config.validate());
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    root = argv[1];
    settings();
    trace();
    direct();
    views();
    room(true);
    room(false);
    std::puts("clockwork: ok");
}
