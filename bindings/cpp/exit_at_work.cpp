// A process that ends while its engine is at work, and comes back to all that it acknowledged. The engine may
// be an object of static lifetime, which the end of the process destroys, or one that nobody destroys.
// exit_at_work DIR static|left|callback|check
#include "check.hpp"

#include <atomic>

namespace {

constexpr unsigned enough = 40;
constexpr int code = 7;

std::atomic<unsigned> applied{0}, acknowledged{0};
std::atomic<bool> exit_in_apply{false};

rft::Engine open_and_lead(const char *dir) {
    rft::Host host;
    host.apply = [](rft::Span<rft::Entry> entries) {
        applied += static_cast<unsigned>(entries.size());
        if (applied > enough && exit_in_apply) {
            std::exit(code); // destroys what is static, on the engine's own thread
        }
    };
    rft::Config config(1, {1});
    OK(config.set(rft::Setting::snapshot_entries, 0));
    rft::Engine engine = rft::Engine::open(config, dir, std::move(host)).value();
    OK(engine.campaign());
    until("it leads", [&] { return engine.propose_wait("x", patience).ok(); });
    return engine;
}

// Ends with the engine, as the threads of a program do that stops in order.
void propose_on(rft::Engine *engine) {
    while (engine->propose_wait("x", patience).ok()) {
        ++acknowledged;
    }
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const std::string way = argv[2];
    if (way == "check") {
        rft::Engine engine = open_and_lead(argv[1]);
        CHECK(applied > enough);
        return 0;
    }
    exit_in_apply = way == "callback";
    rft::Engine *engine = nullptr;
    if (way == "left") {
        static rft::Engine *const left = new rft::Engine(open_and_lead(argv[1]));
        engine = left;
    } else {
        static rft::Engine at_the_end = open_and_lead(argv[1]);
        engine = &at_the_end;
    }
    std::vector<std::thread> threads;
    for (int at = 0; at < 4; at++) {
        threads.emplace_back(propose_on, engine);
    }
    if (way == "callback") {
        for (std::thread &thread : threads) {
            thread.join();
        }
        std::this_thread::sleep_for(patience); // the process ends first
        return 1;
    }
    until("enough", [] { return acknowledged >= enough; });
    if (way == "static") {
        OK(engine->stop(patience)); // the threads use it: it is destroyed behind them
        for (std::thread &thread : threads) {
            thread.join();
        }
    } else {
        for (std::thread &thread : threads) {
            thread.detach();
        }
    }
    return code;
}
