// Futures, and coroutines from C++20 on, over an engine alone. The argument is an empty directory.
#include "check.hpp"

#include <rft/async.hpp>

#include <atomic>

namespace {

std::string root;

rft::Engine open_alone(const char *name, rft::Host host) {
    rft::Config config(1, {1});
    OK(config.set(rft::Setting::tick_interval_ms, 10));
    rft::Engine engine = rft::Engine::open(config, root + "/" + name, std::move(host)).value();
    OK(engine.campaign());
    until("it leads", [&] { return engine.read_wait(std::chrono::seconds(1)).ok(); });
    return engine;
}

std::string answer_of(rft::Result<rft::Outcome> outcome) {
    OK(outcome);
    return std::string(rft::Bytes(outcome->answer).text());
}

void futures() {
    List list;
    std::future<rft::Result<rft::Outcome>> late;
    {
        rft::Engine engine = open_alone("futures", list.host(nullptr));
        std::vector<std::future<rft::Result<rft::Outcome>>> outcomes;
        for (int round = 0; round < 100; round++) {
            outcomes.push_back(rft::future_propose(engine, "x"));
        }
        for (int round = 0; round < 100; round++) {
            CHECK(answer_of(outcomes[static_cast<std::size_t>(round)].get()) == std::to_string(round + 1));
        }
        OK(rft::future_read(engine).get());
        CHECK(list.holds().size() == 100);
        const auto snapshot = [&](rft::Done done) { return engine.snapshot(std::move(done)); };
        CHECK(rft::future_of(snapshot).get().value().index >= 100);
        (void)rft::future_propose(engine, "nobody looks");
        GIVES(too_large, rft::future_propose(engine, std::string(9u << 20, 'x')).get());
        rft::Engine moved = std::move(engine);
        GIVES(invalid_arg, rft::future_read(engine).get());
        late = rft::future_propose(moved, "perhaps");
        OK(moved.stop(patience));
        GIVES(stopped, rft::future_propose(moved, "x").get());
    }
    const rft::Code code = late.get().code();
    CHECK(code == rft::Code::ok || code == rft::Code::stopped);
}

void futures_from_many_threads() {
    List list;
    rft::Engine engine = open_alone("threads", list.host(nullptr));
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; thread++) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; round++) {
                OK(rft::future_propose(engine, "x").get());
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    CHECK(list.holds().size() == 200);
}

#if defined(__cpp_impl_coroutine)

// A coroutine that runs by itself, and tells when it ends.
struct Running {
    struct promise_type {
        std::promise<void> done;
        Running get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this), done.get_future()};
        }
        std::suspend_never initial_suspend() noexcept {
            return {};
        }
        std::suspend_never final_suspend() noexcept {
            return {};
        }
        void return_void() {
            done.set_value();
        }
        void unhandled_exception() {
            done.set_exception(std::current_exception());
        }
    };
    std::coroutine_handle<promise_type> handle;
    std::future<void> done;
};

Running writes(rft::Engine &engine, int count, List &list) {
    for (int round = 1; round <= count; round++) {
        CHECK(answer_of(co_await rft::co_propose(engine, std::string("command"))) == std::to_string(round));
    }
    OK(co_await rft::co_read(engine));
    CHECK(list.holds().size() == static_cast<std::size_t>(count));
    GIVES(reentrant, engine.propose_wait("x", patience)); // it runs on the applier's thread
}

Running many_at_once(rft::Engine &engine) {
    std::vector<rft::Awaited> under_way;
    for (int round = 0; round < 20; round++) {
        under_way.push_back(rft::co_propose(engine, "x"));
    }
    for (rft::Awaited &one : under_way) {
        OK(co_await one);
    }
    GIVES(too_large, co_await rft::co_propose(engine, std::string(9u << 20, 'x')));
}

// Threads of the program's own for coroutines to go on.
class Loop {
  public:
    rft::Resume resume() {
        return [this](std::coroutine_handle<> next) {
            const std::lock_guard<std::mutex> guard(lock_);
            next_.push_back(next);
        };
    }
    void run_until(const std::future<void> &done) {
        while (done.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
            std::vector<std::coroutine_handle<>> ready;
            {
                const std::lock_guard<std::mutex> guard(lock_);
                ready.swap(next_);
            }
            for (const std::coroutine_handle<> next : ready) {
                next.resume();
            }
        }
    }

  private:
    std::mutex lock_;
    std::vector<std::coroutine_handle<>> next_;
};

Running goes_on_elsewhere(rft::Engine &engine, Loop &loop, std::thread::id &where) {
    const std::size_t before = engine.counter(rft::Counter::applied).value();
    OK(co_await rft::co_propose(engine, "x", loop.resume()));
    OK(engine.propose_wait("waiting is allowed here", patience));
    CHECK(engine.counter(rft::Counter::applied).value() >= before + 2);
    where = std::this_thread::get_id();
}

Running throws(rft::Engine &engine) {
    OK(co_await rft::co_propose(engine, "x"));
    throw std::runtime_error("after the outcome");
}

Running waits_for_ever(rft::Engine &engine, std::shared_ptr<int> alive) {
    (void)co_await rft::co_propose(engine, "never committed");
    std::abort();
    (void)alive;
}

void coroutines() {
    List list;
    rft::Engine engine = open_alone("coroutines", list.host(nullptr));
    writes(engine, 50, list).done.get();
    many_at_once(engine).done.get();

    Loop loop;
    std::thread::id where;
    Running elsewhere = goes_on_elsewhere(engine, loop, where);
    loop.run_until(elsewhere.done);
    elsewhere.done.get();
    CHECK(where == std::this_thread::get_id());

    bool threw = false;
    Running thrown = throws(engine);
    try {
        thrown.done.get();
    } catch (const std::runtime_error &) {
        threw = true;
    }
    CHECK(threw);
    (void)rft::co_propose(engine, "nobody waits");
    OK(engine.propose_wait("it goes on", patience));
}

// A coroutine that is destroyed while it waits is not resumed by the outcome that comes later.
void destroyed_while_it_waits() {
    List list;
    rft::Config config(1, {1, 2}); // alone of two: nothing is committed
    const auto alive = std::make_shared<int>();
    {
        rft::Engine engine = rft::Engine::open(config, root + "/destroyed", list.host(nullptr)).value();
        // While this one is told its outcome, no other is.
        std::promise<void> opened;
        std::atomic<bool> is_told(false);
        OK(engine.propose("refused in the end", [&](auto &&) {
            is_told = true;
            opened.get_future().wait();
        }));
        until("an outcome is told", [&] { return is_told.load(); });
        Running waiting = waits_for_ever(engine, alive);
        CHECK(alive.use_count() == 2);
        waiting.handle.destroy();
        CHECK(alive.use_count() == 1);
        opened.set_value();
    }
    CHECK(alive.use_count() == 1);
}

#else
void coroutines() {
}
void destroyed_while_it_waits() {
}
#endif

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    root = argv[1];
    futures();
    futures_from_many_threads();
    coroutines();
    destroyed_while_it_waits();
    std::puts("async: ok");
}
