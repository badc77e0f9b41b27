/// @file
/// @brief Part of rft.hpp: the engine.
#ifndef RFT_ENGINE_HPP
#define RFT_ENGINE_HPP

#include <rft.h>

#include <rft/config.hpp>
#include <rft/data.hpp>
#include <rft/host.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rft {
inline namespace v0 {

/// A node with its directory, clock and threads. Any number of threads may use it at once; to move or destroy
/// it, one.
class Engine {
  public:
    /// How long a call that waits does so.
    using Time = std::chrono::milliseconds;

    /// Opens a node in a directory, restores the state machine and starts to work. The host is taken, also
    /// when it fails.
    static Result<Engine> open(const Config &config, std::string_view dir, Host host) {
        Status status = check_version();
        if (status.ok()) {
            status = config.validate();
        }
        if (!status.ok()) {
            return status;
        }
        auto app =
            std::make_unique<detail::App>(std::move(host)).release(); // its `drop` is owed from here on
        const rft_host_t raw = detail::raw(app);
        rft_engine_t *engine = nullptr;
        status = detail::attempt([&](rft_error_t **error) {
            return rft_engine_open(config.c_handle(), dir.data(), dir.size(), &raw, &engine, error);
        });
        if (!status.ok()) {
            return status;
        }
        return Engine(engine, app);
    }

    /// Takes a message from a peer.
    Status step(Bytes message) noexcept {
        return attempt([&](rft_error_t **error) {
            return rft_engine_step(engine_.get(), message.data(), message.size(), error);
        });
    }
    /// Takes several, in order, and stops at the first that is refused: `done` receives how many were taken.
    Status step_many(const std::vector<Bytes> &messages, std::size_t *done = nullptr) {
        const std::vector<rft_bytes_t> raw = detail::raw(messages);
        return attempt([&](rft_error_t **error) {
            return rft_engine_step_many(engine_.get(), raw.data(), raw.size(), done, error);
        });
    }
    /// Like step_many, for messages that `peer` has brought: one that names another sender is refused.
    Status step_from(std::uint64_t peer, const std::vector<Bytes> &messages, std::size_t *done = nullptr) {
        const std::vector<rft_bytes_t> raw = detail::raw(messages);
        return attempt([&](rft_error_t **error) {
            return rft_engine_step_from(engine_.get(), peer, raw.data(), raw.size(), done, error);
        });
    }
    /// Tells that a message to a peer could not be delivered.
    Status report_unreachable(std::uint64_t id) noexcept {
        return attempt(
            [&](rft_error_t **error) { return rft_engine_report_unreachable(engine_.get(), id, error); });
    }

    /// Proposes an entry and returns at once. `done` gets its one outcome, unless the call is refused.
    Status propose(Bytes data, Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            const rft_proposal_t proposal = {data.data(), data.size(), number};
            return rft_engine_propose(engine_.get(), &proposal, 1, error);
        });
    }
    /// Proposes entries, all of them or none, in this order, and returns at once. Each has its own `done`, or
    /// none.
    Status propose_many(std::vector<std::pair<Bytes, Done>> entries) {
        if (engine_ == nullptr) {
            return Status(Code::invalid_arg);
        }
        std::vector<rft_proposal_t> proposals;
        proposals.reserve(entries.size());
        app_->wait(entries, proposals);
        Status status = attempt([&](rft_error_t **error) {
            return rft_engine_propose(engine_.get(), proposals.data(), proposals.size(), error);
        });
        if (!status.ok()) {
            for (const rft_proposal_t &proposal : proposals) {
                app_->take(proposal.request);
            }
        }
        return status;
    }
    /// Proposes an entry and waits until it is applied. Leaves the answer out.
    Result<Outcome> propose_wait(Bytes data, Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_propose_wait(engine_.get(), data.data(), data.size(), detail::timeout(time),
                                           out, error);
        });
    }
    /// Proposes an entry and waits until it is applied, and for what `apply` answered: `answer_max` bytes of
    /// it.
    Result<Outcome> call(Bytes data, Time time, std::size_t answer_max = 4096) {
        return with_answer(answer_max, [&](std::uint8_t *answer, rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_call(engine_.get(), data.data(), data.size(), detail::timeout(time), answer,
                                   answer_max, out, error);
        });
    }

    /// Opens a session and returns at once: the index in its outcome is its id. A command that is proposed
    /// again in a session, under its number, is applied once.
    Status session_open(Done done) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_session_open(engine_.get(), number, error);
        });
    }
    /// Opens a session and waits for it.
    Result<Outcome> session_open_wait(Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_session_open_wait(engine_.get(), detail::timeout(time), out, error);
        });
    }
    /// Closes a session and returns at once.
    Status session_close(std::uint64_t session, Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_session_close(engine_.get(), session, number, error);
        });
    }
    /// Proposes a command of a session and returns at once.
    Status propose_once(std::uint64_t session, std::uint64_t sequence, Bytes data, Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_propose_once(engine_.get(), session, sequence, data.data(), data.size(), number,
                                           error);
        });
    }
    /// Proposes a command of a session and waits for its outcome and its answer.
    Result<Outcome> call_once(std::uint64_t session, std::uint64_t sequence, Bytes data, Time time,
                              std::size_t answer_max = 4096) {
        return with_answer(answer_max, [&](std::uint8_t *answer, rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_call_once(engine_.get(), session, sequence, data.data(), data.size(),
                                        detail::timeout(time), answer, answer_max, out, error);
        });
    }

    /// Asks for a linearizable read and returns at once. Read the state machine in `done` or after it.
    Status read(Done done) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_read(engine_.get(), number, error);
        });
    }
    /// Waits until the state machine may be read.
    Result<Outcome> read_wait(Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_read_wait(engine_.get(), detail::timeout(time), out, error);
        });
    }

    /// Asks for a read that may see a state of at most this age, and returns at once.
    Status read_within(Time age, Done done) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_read_within(engine_.get(), detail::timeout(age), number, error);
        });
    }
    /// Waits until the state machine may be read at this age.
    Result<Outcome> read_within_wait(Time age, Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_read_within_wait(engine_.get(), detail::timeout(age), detail::timeout(time),
                                               out, error);
        });
    }

    /// Proposes a membership change and returns at once.
    Status change(const std::vector<Change> &changes, Done done,
                  Transition transition = Transition::automatic, Bytes context = {}) {
        const std::vector<rft_change_t> raw = detail::raw(changes);
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_change(engine_.get(), raw.data(), raw.size(),
                                     static_cast<std::int32_t>(transition), context.data(), context.size(),
                                     number, error);
        });
    }
    /// Proposes a membership change and waits until it is in force at the leader.
    Result<Outcome> change_wait(const std::vector<Change> &changes, Time time,
                                Transition transition = Transition::automatic, Bytes context = {}) {
        const std::vector<rft_change_t> raw = detail::raw(changes);
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_change_wait(engine_.get(), raw.data(), raw.size(),
                                          static_cast<std::int32_t>(transition), context.data(),
                                          context.size(), detail::timeout(time), out, error);
        });
    }
    /// Puts a node in the place of a member, or with 0 for that adds or promotes it, within this time, and
    /// returns at once. The same call, at any node, goes on from where the membership stands.
    Status replace(std::uint64_t old_member, std::uint64_t new_member, Bytes bytes, Time time, Done done) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_replace(engine_.get(), old_member, new_member, bytes.data(), bytes.size(),
                                      detail::timeout(time), number, error);
        });
    }
    /// Puts a node in the place of a member and waits until that is in force.
    Result<Outcome> replace_wait(std::uint64_t old_member, std::uint64_t new_member, Bytes bytes, Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_replace_wait(engine_.get(), old_member, new_member, bytes.data(), bytes.size(),
                                           detail::timeout(time), out, error);
        });
    }
    /// Has a snapshot taken now. `done` gets its index once it is durable.
    Status snapshot(Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_snapshot(engine_.get(), number, error);
        });
    }
    /// Has a snapshot taken now and waits until it is durable. That there is none stops nothing, unless the
    /// status is fatal.
    Result<Outcome> snapshot_wait(Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_snapshot_wait(engine_.get(), detail::timeout(time), out, error);
        });
    }
    /// Asks the leader to hand its leadership to a voter. `done` hears within two election timeouts whether
    /// it did.
    Status transfer_leader(std::uint64_t to, Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_transfer_leader(engine_.get(), to, number, error);
        });
    }
    /// Has the leader hand its leadership to a voter and waits until it has.
    Result<Outcome> transfer_leader_wait(std::uint64_t to, Time time) {
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_transfer_leader_wait(engine_.get(), to, detail::timeout(time), out, error);
        });
    }
    /// Campaigns now.
    Status campaign() noexcept {
        return attempt([&](rft_error_t **error) { return rft_engine_campaign(engine_.get(), error); });
    }

    /// Tells how the node stands. Works after a failure and after stop().
    Result<NodeStatus> status() const noexcept {
        NodeStatus out;
        Status status =
            attempt([&](rft_error_t **error) { return rft_engine_status(engine_.get(), &out, error); });
        if (!status.ok()) {
            return status;
        }
        return out;
    }
    /// Tells who is a member, by ascending id. Works after a failure and after stop().
    Result<std::vector<Member>> members() const {
        return detail::members([&](rft_member_t *out, std::size_t room, std::size_t *n) {
            return attempt(
                [&](rft_error_t **error) { return rft_engine_members(engine_.get(), out, room, n, error); });
        });
    }
    /// The bytes of a member, the context of the change that added or updated it; empty where it has none.
    /// Works after a failure and after stop().
    Result<std::string> member_bytes(std::uint64_t id) const {
        return text([&](std::uint8_t *out, std::size_t max, std::size_t *len, rft_error_t **error) {
            return rft_engine_member_bytes(engine_.get(), id, out, max, len, error);
        });
    }
    /// Tells one of the counts. Works after a failure and after stop().
    Result<std::uint64_t> counter(Counter which) const noexcept {
        std::uint64_t out = 0;
        Status status = attempt([&](rft_error_t **error) {
            return rft_engine_counter(engine_.get(), static_cast<std::int32_t>(which), &out, error);
        });
        if (!status.ok()) {
            return status;
        }
        return out;
    }
    /// Counters, times and state in the text format of Prometheus. Works after a failure and after stop().
    Result<std::string> metrics() const {
        return text([&](std::uint8_t *out, std::size_t max, std::size_t *len, rft_error_t **error) {
            return rft_engine_metrics(engine_.get(), out, max, len, error);
        });
    }
    /// State, members, counters and times as one JSON object. Works after a failure and after stop().
    Result<std::string> status_json() const {
        return text([&](std::uint8_t *out, std::size_t max, std::size_t *len, rft_error_t **error) {
            return rft_engine_status_json(engine_.get(), out, max, len, error);
        });
    }
    /// Stops the engine: every request under way gets Code::stopped. May be called again. Destroying it stops
    /// it too.
    Status stop(Time time) noexcept {
        return attempt([&](rft_error_t **error) {
            return rft_engine_stop(engine_.get(), detail::timeout(time), error);
        });
    }
    /// The handle, lent; null when this was moved from.
    rft_engine_t *c_handle() const noexcept {
        return engine_.get();
    }

  private:
    Engine(rft_engine_t *engine, detail::App *app) noexcept : engine_(engine), app_(app) {
    }

    template <class F> Status attempt(F &&body) const {
        return detail::attempt(std::forward<F>(body));
    }
    template <class F> Status request(Done done, F &&body) {
        if (engine_ == nullptr) {
            return Status(Code::invalid_arg);
        }
        const std::uint64_t number = done ? app_->wait(std::move(done)) : 0;
        Status status = attempt([&](rft_error_t **error) { return body(number, error); });
        if (!status.ok()) {
            app_->take(number);
        }
        return status;
    }
    template <class F> Result<Outcome> with_answer(std::size_t max, F &&body) {
        std::vector<std::uint8_t> answer(max);
        Result<Outcome> result =
            wait([&](rft_outcome_t *out, rft_error_t **error) { return body(answer.data(), out, error); });
        if (result.ok()) {
            answer.resize(result->answer_size < max ? result->answer_size : max);
            result->answer = std::move(answer);
        }
        return result;
    }
    // Asks for a text until there was room for all of it.
    template <class F> Result<std::string> text(F &&body) const {
        std::string out(16384, '\0');
        for (;;) {
            std::size_t len = 0;
            Status status = attempt([&](rft_error_t **error) {
                return body(reinterpret_cast<std::uint8_t *>(out.data()), out.size(), &len, error);
            });
            if (!status.ok()) {
                return status;
            }
            const bool fits = len <= out.size();
            out.resize(fits ? len : len + 1024); // it may have grown when it is asked for again
            if (fits) {
                return out;
            }
        }
    }
    template <class F> Result<Outcome> wait(F &&body) {
        rft_outcome_t out = {};
        Status status = attempt([&](rft_error_t **error) { return body(&out, error); });
        if (!status.ok()) {
            return status;
        }
        return Outcome{out.index, out.term, {}, out.age_ms, out.answer_len};
    }

    detail::Owned<rft_engine_t, rft_engine_free> engine_;
    detail::App *app_; // belongs to the engine, until it is freed
};

} // namespace v0
} // namespace rft

#endif // RFT_ENGINE_HPP
