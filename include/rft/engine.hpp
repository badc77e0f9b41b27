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
        for (auto &[data, done] : entries) {
            const std::uint64_t number = done ? app_->wait(std::move(done)) : 0;
            proposals.push_back({data.data(), data.size(), number});
        }
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
        std::vector<std::uint8_t> answer(answer_max);
        Result<Outcome> result = wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_call(engine_.get(), data.data(), data.size(), detail::timeout(time),
                                   answer.data(), answer.size(), out, error);
        });
        if (result.ok()) {
            answer.resize(result->answer_size < answer_max ? result->answer_size : answer_max);
            result->answer = std::move(answer);
        }
        return result;
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
    /// Proposes a membership change and waits until it is in force here.
    Result<Outcome> change_wait(const std::vector<Change> &changes, Time time,
                                Transition transition = Transition::automatic, Bytes context = {}) {
        const std::vector<rft_change_t> raw = detail::raw(changes);
        return wait([&](rft_outcome_t *out, rft_error_t **error) {
            return rft_engine_change_wait(engine_.get(), raw.data(), raw.size(),
                                          static_cast<std::int32_t>(transition), context.data(),
                                          context.size(), detail::timeout(time), out, error);
        });
    }
    /// Has a snapshot taken now. `done` gets its index once it is durable.
    Status snapshot(Done done = {}) {
        return request(std::move(done), [&](std::uint64_t number, rft_error_t **error) {
            return rft_engine_snapshot(engine_.get(), number, error);
        });
    }
    /// Asks the leader to hand its leadership to a member.
    Status transfer_leader(std::uint64_t to) noexcept {
        return attempt(
            [&](rft_error_t **error) { return rft_engine_transfer_leader(engine_.get(), to, error); });
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
    template <class F> Result<Outcome> wait(F &&body) {
        rft_outcome_t out = {};
        Status status = attempt([&](rft_error_t **error) { return body(&out, error); });
        if (!status.ok()) {
            return status;
        }
        return Outcome{out.index, out.term, {}, out.answer_len};
    }

    detail::Owned<rft_engine_t, rft_engine_free> engine_;
    detail::App *app_; // belongs to the engine, until it is freed
};

} // namespace v0
} // namespace rft

#endif // RFT_ENGINE_HPP
