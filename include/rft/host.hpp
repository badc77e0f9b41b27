/// @file
/// @brief Part of rft.hpp: the callbacks of an engine.
#ifndef RFT_HOST_HPP
#define RFT_HOST_HPP

#include <rft.h>

#include <rft/code.hpp>
#include <rft/data.hpp>
#include <rft/exceptions.hpp>
#include <rft/snapshot.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rft {
inline namespace v0 {

template <class Signature> class Function;

/// Anything that can be called, owned, also what can only be moved. What returns nothing returns R().
template <class R, class... Args> class Function<R(Args...)> {
  public:
    /// Nothing to call.
    Function() noexcept = default;
    /// Takes a callable.
    template <class F, std::enable_if_t<!std::is_same_v<std::decay_t<F>, Function>, int> = 0>
    Function(F &&body) : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(body))) {
    }
    /// Whether there is something to call.
    explicit operator bool() const noexcept {
        return body_ != nullptr;
    }
    /// Calls it, which must be there.
    R operator()(Args... args) {
        return body_->call(std::forward<Args>(args)...);
    }

  private:
    struct Base {
        Base() = default;
        Base(const Base &) = delete;
        Base &operator=(const Base &) = delete;
        virtual ~Base() = default;
        virtual R call(Args... args) = 0;
    };
    template <class F> struct Body final : Base {
        explicit Body(F body) : body_(std::move(body)) {
        }
        R call(Args... args) override {
            if constexpr (std::is_void_v<std::invoke_result_t<F &, Args...>> && !std::is_void_v<R>) {
                body_(std::forward<Args>(args)...);
                return R();
            } else {
                return body_(std::forward<Args>(args)...);
            }
        }
        F body_;
    };
    std::unique_ptr<Base> body_;
};

/// Something that happened at an engine, lent.
class Event {
  public:
    /// Wraps one.
    explicit Event(const rft_event_t &raw) noexcept : raw_(&raw) {
    }
    /// What it tells.
    EventKind kind() const noexcept {
        return static_cast<EventKind>(raw_->kind);
    }
    /// The node's role.
    Role role() const noexcept {
        return static_cast<Role>(raw_->role);
    }
    /// Why the engine stopped.
    Code code() const noexcept {
        return static_cast<Code>(raw_->status);
    }
    /// What is told in words; may be empty.
    std::string_view text() const noexcept {
        return raw_->text == nullptr ? std::string_view() : std::string_view(raw_->text, raw_->text_len);
    }
    /// How long something took.
    std::chrono::milliseconds time() const noexcept {
        return std::chrono::milliseconds(raw_->millis);
    }
    /// All of it: term, leader, index, bytes.
    const rft_event_t &raw() const noexcept {
        return *raw_;
    }

  private:
    const rft_event_t *raw_;
};

/// What becomes of a request that nobody waits for. Applier thread.
using Done = Function<void(Result<Outcome>)>;

/// A state machine as it was, ready to be written. Saver thread.
using View = Function<Code(SnapshotWriter)>;

/// The host's side of an engine: see rft_host_t for threads and duties. `apply` must be set, `save` and
/// `restore` both or, with Setting::snapshot_entries and Setting::snapshot_bytes 0, none. Those that return a
/// Code may as well return nothing. What one of them throws goes to `log`, and is Code::host of those that
/// return a Code.
struct Host {
    Function<void(Span<Message>)> send;     ///< Brings messages to their receivers. Must not block.
    Function<Code(Span<Entry>)> apply;      ///< Applies entries to the state machine.
    Function<Code(SnapshotWriter)> save;    ///< Writes the state machine.
    Function<Code(SnapshotReader)> restore; ///< Replaces the state machine.
    Function<View()> view; ///< Hands out the state machine, so that applying goes on while it is written; an
                           ///< empty View: `save` it instead. May be left out, and needs `save`.
    Function<void(Event)> event; ///< Tells what happened.
    Function<void(LogLevel, std::string_view)>
        log; ///< A line for the log. Two may come at once. Must not block.
};

namespace detail {

/// What an engine's user_data points to.
struct App {
    /// A request under way: its number, which tells its place too, and who takes its outcome.
    struct Waiting {
        std::uint64_t number = 0;
        Done done;
    };

    Host host;
    std::mutex lock;
    std::vector<Waiting> waiting;
    std::vector<std::uint32_t> unused; ///< The places in it where nobody waits.
    std::uint64_t last = 0;

    explicit App(Host from) : host(std::move(from)) {
    }

    /// Numbers a request.
    std::uint64_t wait(Done done) {
        const std::lock_guard<std::mutex> guard(lock);
        return put(std::move(done));
    }
    /// Numbers those of many requests whose outcome is wanted; the others get 0.
    void wait(std::vector<std::pair<Bytes, Done>> &entries, std::vector<rft_proposal_t> &proposals) {
        const std::lock_guard<std::mutex> guard(lock);
        for (auto &[data, done] : entries) {
            const std::uint64_t number = done ? put(std::move(done)) : 0;
            proposals.push_back({data.data(), data.size(), number});
        }
    }
    /// Takes a request that was refused.
    void take(std::uint64_t request) noexcept {
        const Done done = [&] {
            const std::lock_guard<std::mutex> guard(lock);
            return get(request);
        }();
    }
    /// Takes `n` requests that have their outcomes.
    void take(const rft_outcome_t *outcomes, std::size_t n, Done *taken) noexcept {
        const std::lock_guard<std::mutex> guard(lock);
        for (std::size_t at = 0; at < n; at++) {
            taken[at] = get(outcomes[at].request);
        }
    }

  private:
    std::uint64_t put(Done done) {
        if (unused.empty()) {
            waiting.emplace_back();
            unused.reserve(waiting.capacity()); // so that giving a place back needs no memory
            unused.push_back(static_cast<std::uint32_t>(waiting.size() - 1));
        }
        const std::uint32_t at = unused.back();
        unused.pop_back();
        waiting[at].number = ++last << 32 | (std::uint64_t{at} + 1); // never 0, which wants no outcome
        waiting[at].done = std::move(done);
        return waiting[at].number;
    }
    Done get(std::uint64_t request) noexcept {
        const std::uint32_t at = static_cast<std::uint32_t>(request) - 1;
        if (at >= waiting.size() || waiting[at].number != request) {
            return {};
        }
        waiting[at].number = 0;
        unused.push_back(at);
        return std::move(waiting[at].done);
    }
};

inline App &app(void *user) noexcept {
    return *static_cast<App *>(user);
}

/// Tells the log what a callback has thrown; only inside of RFT_HPP_CATCH.
inline void thrown(App &app, const char *callback) noexcept {
    RFT_HPP_TRY {
        if (app.host.log) {
            app.host.log(LogLevel::error, std::string(callback) + " has thrown " + current_exception());
        }
    }
    RFT_HPP_CATCH {
    }
}

/// Tells the log, and is the status of a callback that has thrown.
inline rft_status_t failed(App &app, const char *callback) noexcept {
    thrown(app, callback);
    return RFT_E_HOST;
}

/// Hands an outcome to who takes it.
inline void tell(Done &done, const rft_outcome_t &from) {
    if (from.status != RFT_OK) {
        // What was refused says why in the place of an answer.
        std::string why(reinterpret_cast<const char *>(from.answer), from.answer_len);
        done(Status(static_cast<Code>(from.status), from.leader, std::move(why)));
        return;
    }
    const Bytes answer(from.answer, from.answer_len);
    done(Outcome{from.index, from.term, answer.copy(), from.age_ms, answer.size()});
}

extern "C" {

inline void rft_hpp_drop(void *user) noexcept {
    delete static_cast<App *>(user);
}

inline void rft_hpp_send(void *user, const rft_message_t *messages, std::size_t n) noexcept {
    RFT_HPP_TRY {
        app(user).host.send(Span<Message>(messages, n));
    }
    RFT_HPP_CATCH {
        thrown(app(user), "send");
    }
}

inline rft_status_t rft_hpp_apply(void *user, const rft_entry_t *entries, std::size_t n) noexcept {
    RFT_HPP_TRY {
        return static_cast<rft_status_t>(app(user).host.apply(Span<Entry>(entries, n)));
    }
    RFT_HPP_CATCH {
        return failed(app(user), "apply");
    }
}

inline rft_status_t rft_hpp_save(void *user, rft_snapshot_writer_t *writer) noexcept {
    RFT_HPP_TRY {
        return static_cast<rft_status_t>(app(user).host.save(SnapshotWriter(writer)));
    }
    RFT_HPP_CATCH {
        return failed(app(user), "save");
    }
}

inline rft_status_t rft_hpp_view(void *user, void **view) noexcept {
    RFT_HPP_TRY {
        View taken = app(user).host.view();
        if (taken) {
            *view = new View(std::move(taken));
        }
        return RFT_OK;
    }
    RFT_HPP_CATCH {
        return failed(app(user), "view");
    }
}

inline rft_status_t rft_hpp_view_save(void *user, void *view, rft_snapshot_writer_t *writer) noexcept {
    RFT_HPP_TRY {
        return static_cast<rft_status_t>((*static_cast<View *>(view))(SnapshotWriter(writer)));
    }
    RFT_HPP_CATCH {
        return failed(app(user), "a view");
    }
}

inline void rft_hpp_view_drop(void *, void *view) noexcept {
    delete static_cast<View *>(view);
}

inline rft_status_t rft_hpp_restore(void *user, rft_snapshot_reader_t *reader) noexcept {
    RFT_HPP_TRY {
        return static_cast<rft_status_t>(app(user).host.restore(SnapshotReader(reader)));
    }
    RFT_HPP_CATCH {
        return failed(app(user), "restore");
    }
}

inline void rft_hpp_outcome(void *user, const rft_outcome_t *outcomes, std::size_t n) noexcept {
    constexpr std::size_t at_once = 64;
    for (std::size_t from = 0; from < n; from += at_once) {
        const std::size_t count = n - from < at_once ? n - from : at_once;
        Done dones[at_once];
        app(user).take(outcomes + from, count, dones);
        for (std::size_t at = 0; at < count; at++) {
            RFT_HPP_TRY {
                if (Done done = std::move(dones[at])) {
                    tell(done, outcomes[from + at]);
                }
            }
            RFT_HPP_CATCH {
                thrown(app(user), "what takes an outcome");
            }
        }
    }
}

inline void rft_hpp_event(void *user, const rft_event_t *event) noexcept {
    RFT_HPP_TRY {
        app(user).host.event(Event(*event));
    }
    RFT_HPP_CATCH {
        thrown(app(user), "event");
    }
}

inline void rft_hpp_log(void *user, std::int32_t level, const char *text, std::size_t len) noexcept {
    RFT_HPP_TRY {
        app(user).host.log(static_cast<LogLevel>(level), std::string_view(text, len));
    }
    RFT_HPP_CATCH {
    }
}

} // extern "C"

inline rft_host_t raw(App *app) noexcept {
    rft_host_t host = {};
    host.size = sizeof host;
    host.user_data = app;
    host.drop = rft_hpp_drop;
    host.send = app->host.send ? rft_hpp_send : nullptr;
    host.apply = app->host.apply ? rft_hpp_apply : nullptr;
    host.snapshot_save = app->host.save ? rft_hpp_save : nullptr;
    host.snapshot_restore = app->host.restore ? rft_hpp_restore : nullptr;
    if (app->host.view) {
        host.snapshot_view = rft_hpp_view;
        host.snapshot_view_save = rft_hpp_view_save;
        host.snapshot_view_drop = rft_hpp_view_drop;
    }
    host.outcome = rft_hpp_outcome;
    host.event = app->host.event ? rft_hpp_event : nullptr;
    host.log = app->host.log ? rft_hpp_log : nullptr;
    return host;
}

} // namespace detail

} // namespace v0
} // namespace rft

#endif // RFT_HOST_HPP
