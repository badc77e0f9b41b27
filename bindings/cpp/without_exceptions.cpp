// Everything of rft.hpp, compiled without exceptions and without run-time types.
#include <rft.hpp>
#include <rft/async.hpp>

#include <cstdio>
#include <string>

template class rft::Result<std::uint64_t>;
template class rft::Span<rft::Entry>;

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    std::string text;
    rft::Host host;
    host.send = [](rft::Span<rft::Message>) {};
    host.apply = [&](rft::Span<rft::Entry> entries) { text = entries[entries.size() - 1].data().text(); };
    host.save = [&](rft::SnapshotWriter to) { return to.write(text).code(); };
    host.restore = [&](rft::SnapshotReader from) {
        rft::Result<std::vector<std::uint8_t>> all = from.read_all();
        text = all.ok() ? rft::Bytes(*all).text() : "";
        return all.code();
    };
    host.event = [](rft::Event) {};
    host.log = [](rft::LogLevel, std::string_view) {};
    rft::Result<rft::Engine> engine = rft::Engine::open(rft::Config(1, {1}), argv[1], std::move(host));
    if (!engine || !engine->campaign().ok()) {
        return 1;
    }
    rft::Result<rft::Outcome> outcome = rft::Status(rft::Code::not_leader);
    while (outcome.code() == rft::Code::not_leader) {
        outcome = engine->call("hello", std::chrono::seconds(30));
    }
    if (!outcome.ok() || !engine->snapshot().ok() || text != "hello") {
        return 1;
    }
    std::puts("without exceptions: ok");
    return 0;
}
