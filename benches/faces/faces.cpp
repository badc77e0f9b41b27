// What calls cost a host in C++. Usage: faces-cpp WHAT [BATCH [LEN]], with a folder to work in as FACES_DIR.
#include "faces.h"

#include <rft.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

std::string dir;

void must(const rft::Status &status) {
    demand(status.ok(), status.message());
}

template <class T> T must(rft::Result<T> result) {
    must(result.status());
    return std::move(*result);
}

rft::Config config_of_one(std::uint64_t snapshot_entries, std::uint64_t apply_bytes_max) {
    rft::Config config(1, {1});
    must(config.set(rft::Setting::snapshot_entries, snapshot_entries));
    must(config.set(rft::Setting::snapshot_trailing, 0));
    must(config.set(rft::Setting::apply_bytes_max, apply_bytes_max));
    must(config.set(rft::Setting::tick_interval_ms, 10));
    return config;
}

class Alone {
  public:
    Alone() : node_(must(rft::Node::create(config_of_one(0, 1 << 20)))) {
        must(node_.campaign());
        settle();
    }

    std::uint64_t propose(std::uint32_t calls, const std::vector<rft::Bytes> &payloads) {
        const std::uint64_t begun = thread_ns();
        for (std::uint32_t call = 0; call < calls; call++) {
            demand(node_.propose(payloads).ok(), "it is refused");
        }
        const std::uint64_t took = thread_ns() - begun;
        settle();
        return took;
    }

  private:
    void settle() {
        while (node_.has_ready()) {
            must(node_.ready().status());
            must(node_.advance());
        }
        const std::uint64_t applied = must(node_.status()).applied;
        if (applied - compacted_ >= 1024) {
            must(node_.snapshot(nullptr, applied, "s"));
            compacted_ = applied;
        }
    }

    rft::Node node_;
    std::uint64_t compacted_ = 1;
};

struct Machine {
    std::atomic<std::uint64_t> entries{0}, bytes{0}, outcomes{0};
    std::uint64_t first = 0, last = 0;

    rft::Host host() {
        rft::Host host;
        host.apply = [this](rft::Span<rft::Entry> span) {
            if (first == 0) {
                first = wall_ns();
            }
            std::uint64_t total = 0;
            for (const rft::Entry entry : span) {
                total += entry.data().size();
            }
            bytes += total;
            last = wall_ns();
            entries += span.size();
        };
        host.save = [](rft::SnapshotWriter) {};
        host.restore = [](rft::SnapshotReader) {};
        return host;
    }
};

template <class F> void wait(F &&done) {
    for (const std::uint64_t begun = wall_ns(); !done(); nap()) {
        demand(wall_ns() - begun < PATIENCE_S * 1000000000ull, "the engine stands still");
    }
}

rft::Engine open_engine(const char *name, Machine &machine, std::uint64_t snapshots, std::uint64_t page) {
    rft::Engine engine =
        must(rft::Engine::open(config_of_one(snapshots, page), dir + "/" + name, machine.host()));
    must(engine.campaign());
    wait([&] { return must(engine.status()).leader == 1; });
    return engine;
}

/// Into the queue; `done` is told of each if it is wanted. What the engine then does is waited for, and not
/// counted.
std::uint64_t queue(rft::Engine &engine, Machine &machine, std::uint32_t calls,
                    const std::vector<rft::Bytes> &payloads, bool wanted) {
    const std::uint64_t items = calls * payloads.size();
    const std::uint64_t applied = machine.entries + items, told = machine.outcomes + (wanted ? items : 0);
    const auto done = [&]() -> rft::Done {
        return wanted ? rft::Done([&machine](rft::Result<rft::Outcome>) { machine.outcomes++; })
                      : rft::Done();
    };
    const std::uint64_t begun = thread_ns();
    for (std::uint32_t call = 0; call < calls; call++) {
        if (payloads.size() == 1) {
            demand(engine.propose(payloads[0], done()).ok(), "it is refused");
            continue;
        }
        std::vector<std::pair<rft::Bytes, rft::Done>> entries;
        entries.reserve(payloads.size());
        for (const rft::Bytes &payload : payloads) {
            entries.emplace_back(payload, done());
        }
        demand(engine.propose_many(std::move(entries)).ok(), "it is refused");
    }
    const std::uint64_t took = thread_ns() - begun;
    wait([&] { return machine.entries >= applied && machine.outcomes >= told; });
    return took;
}

double round_trips(rft::Engine &engine, Machine &machine, std::uint32_t rounds,
                   const std::vector<rft::Bytes> &payloads) {
    const std::uint64_t begun = wall_ns();
    for (std::uint32_t round = 0; round < rounds; round++) {
        const std::uint64_t target = machine.outcomes + payloads.size();
        std::vector<std::pair<rft::Bytes, rft::Done>> entries;
        entries.reserve(payloads.size());
        for (const rft::Bytes &payload : payloads) {
            entries.emplace_back(payload, [&machine](rft::Result<rft::Outcome>) { machine.outcomes++; });
        }
        must(engine.propose_many(std::move(entries)));
        while (machine.outcomes < target) {
            std::this_thread::yield();
        }
    }
    return static_cast<double>(wall_ns() - begun) / rounds / static_cast<double>(payloads.size());
}

} // namespace

int main(int argc, char **argv) {
    const char *folder = std::getenv("FACES_DIR");
    demand(argc >= 2 && folder != nullptr, "usage: FACES_DIR=... faces-cpp WHAT [BATCH [LEN]]");
    dir = folder;
    const std::string what = argv[1];
    const std::uint32_t batch = argc > 2 ? static_cast<std::uint32_t>(std::atoi(argv[2])) : 1;
    const std::uint32_t len = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 256;
    demand(batch > 0 && batch <= 4096 && len <= 4096, "the batch or the length is out of range");
    const std::uint32_t calls = batch == 1 ? CALLS : CALLS / 64;
    faces_keep_memory();
    const std::vector<std::uint8_t> payload(len, 0x55);
    const std::vector<rft::Bytes> payloads(batch, payload);

    if (what == "propose") {
        Alone alone;
        double face[ROUNDS], rust[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            rust[round] = static_cast<double>(faces_node_propose(calls, batch, len)) / calls / batch;
            face[round] = static_cast<double>(alone.propose(calls, payloads)) / calls / batch;
        }
        print_over(median(face, ROUNDS), median(rust, ROUNDS));
    } else if (what == "queue" || what == "outcome") {
        Machine machine;
        rft::Engine engine = open_engine("cpp", machine, SNAPSHOT_ENTRIES, 1 << 20);
        const std::string beside = dir + "/rust";
        double with[ROUNDS], without[ROUNDS];
        const double items = static_cast<double>(calls) * batch;
        for (int round = 0; round < ROUNDS; round++) {
            if (what == "queue") {
                without[round] =
                    static_cast<double>(faces_engine_propose(beside.c_str(), calls, batch, len)) / items;
                with[round] = static_cast<double>(queue(engine, machine, calls, payloads, true)) / items;
            } else {
                const std::uint64_t begun = process_ns();
                queue(engine, machine, calls, payloads, false);
                const std::uint64_t between = process_ns();
                queue(engine, machine, calls, payloads, true);
                without[round] = static_cast<double>(between - begun) / items;
                with[round] = static_cast<double>(process_ns() - between) / items;
            }
        }
        print_over(median(with, ROUNDS), median(without, ROUNDS));
        faces_engine_end();
    } else if (what == "round-trips") {
        Machine machine;
        rft::Engine engine = open_engine("cpp", machine, SNAPSHOT_ENTRIES, 1 << 20);
        print_value(round_trips(engine, machine, 200000 / batch, payloads));
    } else if (what == "apply") {
        const std::uint64_t n = 400000;
        faces_fill((dir + "/log").c_str(), n, len);
        Machine machine;
        rft::Engine engine = open_engine("log", machine, 0, static_cast<std::uint64_t>(batch) * (len + 16));
        wait([&] { return machine.entries >= n; });
        print_value(static_cast<double>(machine.last - machine.first) / static_cast<double>(n));
    } else {
        demand(0, "there is no such measurement");
    }
    return 0;
}
