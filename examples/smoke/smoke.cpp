#include <rft.hpp>

#include <iostream>

int main() {
    std::string text; // the state machine
    rft::Host host;
    host.apply = [&](rft::Span<rft::Entry> entries) { text = entries[entries.size() - 1].data().text(); };
    host.save = [&](rft::SnapshotWriter to) { return to.write(text).code(); };
    host.restore = [&](rft::SnapshotReader from) { text = rft::Bytes(from.read_all().value()).text(); };
    rft::Config config(1, {1}); // a cluster of one
    rft::Engine engine = rft::Engine::open(config, "smoke.data", std::move(host)).value();
    rft::Result<rft::Outcome> outcome = rft::Status(rft::Code::not_leader);
    while (outcome.code() == rft::Code::not_leader) { // until it leads; then on disk and applied
        outcome = engine.propose_wait("hello", std::chrono::seconds(5));
    }
    std::cout << text << "\n";
    return outcome.ok() ? 0 : 1;
}
