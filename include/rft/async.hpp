/// @file
/// @brief rft for programs that wait by futures or coroutines. Not part of rft.hpp: include it too.
///
/// What a call asks for is under way when the call returns, as it is with Engine::propose. Its one outcome
/// comes as a std::future, or, from C++20 on, as what co_await gives. A call that is refused gives that as
/// its outcome.
///
/// @code
///   std::future<rft::Result<rft::Outcome>> outcome = rft::future_propose(engine, "set x 1");
///   rft::Result<rft::Outcome> index = rft::future_of([&](rft::Done done) { return
///   engine.snapshot(std::move(done)); }).get();
///
///   rft::Result<rft::Outcome> written = co_await rft::co_propose(engine, "set x 1");
///   rft::Result<rft::Outcome> readable = co_await rft::co_read(engine);
/// @endcode
///
/// A coroutine goes on where the outcome came, which is the engine's applier thread: there it must not block,
/// and calls that wait give Code::reentrant. Give a `resume` to have it go on elsewhere.
#ifndef RFT_ASYNC_HPP
#define RFT_ASYNC_HPP

#include <rft/engine.hpp>
#include <rft/host.hpp>
#include <rft/status.hpp>

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#if defined(__cpp_impl_coroutine) && __has_include(<coroutine>)
#include <coroutine>
#endif

namespace rft {
inline namespace v0 {

/// The outcome of a request as a future: `start` gets the Done to ask with, and says whether it was taken. Do
/// not wait for it inside of a callback.
template <class F> std::future<Result<Outcome>> future_of(F &&start) {
    // Shared, because a request that is refused destroys what it was given.
    const auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    std::future<Result<Outcome>> future = promise->get_future();
    Status status = std::forward<F>(start)(
        Done([promise](Result<Outcome> result) { promise->set_value(std::move(result)); }));
    if (!status.ok()) {
        promise->set_value(std::move(status));
    }
    return future;
}

/// Proposes an entry.
inline std::future<Result<Outcome>> future_propose(Engine &engine, Bytes data) {
    return future_of([&](Done done) { return engine.propose(data, std::move(done)); });
}

/// Asks for a linearizable read: when the outcome is there, the state machine may be read.
inline std::future<Result<Outcome>> future_read(Engine &engine) {
    return future_of([&](Done done) { return engine.read(std::move(done)); });
}

#if defined(__cpp_impl_coroutine) && __has_include(<coroutine>)

/// Where a coroutine goes on: gets its handle, and calls resume() on it, once, now or later.
using Resume = Function<void(std::coroutine_handle<>)>;

/// A request under way, for one co_await. Dropping it, or the coroutine that waits for it, drops its outcome.
class [[nodiscard]] Awaited {
  public:
    /// Asks: `start` gets the Done to ask with, and says whether it was taken.
    template <class F>
    Awaited(F &&start, Resume resume) : state_(std::make_shared<State>(std::move(resume))) {
        Status status = std::forward<F>(start)(
            Done([state = state_](Result<Outcome> result) { state->come(std::move(result)); }));
        if (!status.ok()) {
            state_->come(std::move(status));
        }
    }
    /// Takes a request over that nobody waits for yet.
    Awaited(Awaited &&) noexcept = default;
    Awaited &operator=(Awaited &&) = delete;
    /// Nobody waits any more.
    ~Awaited() {
        if (state_ != nullptr) {
            const std::lock_guard<std::mutex> guard(state_->lock);
            state_->waiting = nullptr;
        }
    }

    /// Whether the outcome is there.
    bool await_ready() const {
        const std::lock_guard<std::mutex> guard(state_->lock);
        return state_->result.has_value();
    }
    /// Waits for it, unless it has come meanwhile.
    bool await_suspend(std::coroutine_handle<> waiting) {
        const std::lock_guard<std::mutex> guard(state_->lock);
        state_->waiting = state_->result ? nullptr : waiting;
        return !state_->result;
    }
    /// The outcome.
    Result<Outcome> await_resume() {
        return std::move(*state_->result);
    }

  private:
    struct State {
        std::mutex lock;
        std::coroutine_handle<> waiting;
        std::optional<Result<Outcome>> result;
        Resume resume;

        explicit State(Resume from) : resume(std::move(from)) {
        }
        void come(Result<Outcome> from) {
            std::coroutine_handle<> next;
            {
                const std::lock_guard<std::mutex> guard(lock);
                result = std::move(from);
                next = std::exchange(waiting, nullptr);
            }
            if (next && resume) {
                resume(next);
            } else if (next) {
                next.resume();
            }
        }
    };
    std::shared_ptr<State> state_;
};

/// The outcome of a request, for co_await: `start` gets the Done to ask with, and says whether it was taken.
template <class F> Awaited co_request(F &&start, Resume resume = {}) {
    return Awaited(std::forward<F>(start), std::move(resume));
}

/// Proposes an entry.
inline Awaited co_propose(Engine &engine, Bytes data, Resume resume = {}) {
    return co_request([&](Done done) { return engine.propose(data, std::move(done)); }, std::move(resume));
}

/// Asks for a linearizable read: after it, the state machine may be read.
inline Awaited co_read(Engine &engine, Resume resume = {}) {
    return co_request([&](Done done) { return engine.read(std::move(done)); }, std::move(resume));
}

#endif // coroutines

} // namespace v0
} // namespace rft

#endif // RFT_ASYNC_HPP
