// PUT /members: the membership as a whole. One joint change leads there from whatever it was.
#include "changes.hpp"
#include "routes.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace kv {

using rft::Code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::string_view learner_word = "learner ";
constexpr std::chrono::milliseconds look_again(10);

struct Wanted {
    Members members;
    std::set<std::uint64_t> learners; // of them; the others vote
};

/// Lines of "4=127.0.0.1:7004" and "learner 5=127.0.0.1:7005".
bool parse(Wanted &wanted, std::string_view body) {
    std::string_view line;
    while (next_line(body, line)) {
        const bool learns = line.substr(0, learner_word.size()) == learner_word;
        const auto member = parse_member(learns ? line.substr(learner_word.size()) : line);
        if (!member || wanted.members.count(member->first) != 0 ||
            !set_address(wanted.members, member->first, member->second)) {
            return false;
        }
        if (learns) {
            wanted.learners.insert(member->first);
        }
    }
    return wanted.members.size() > wanted.learners.size();
}

/// The steps from here to what is wanted. Who goes is forgotten first: the book need not hold both lists.
Changes compare(const Wanted &wanted, const std::vector<rft::Member> &members, const Members &book) {
    Changes changes;
    for (const rft::Member &member : members) {
        if (wanted.members.count(member.id) == 0) {
            changes.steps.push_back({rft::ChangeType::remove, member.id});
            changes.address(member.id, "");
        }
    }
    for (const auto &[id, address] : wanted.members) {
        const std::uint64_t wanted_id = id;
        const bool learns = wanted.learners.count(id) != 0;
        const auto at = std::find_if(members.begin(), members.end(), [wanted_id](const rft::Member &member) {
            return member.id == wanted_id;
        });
        if (at == members.end() || (learns ? !at->is_learner() : !at->is_voter())) {
            changes.steps.push_back({learns ? rft::ChangeType::add_learner : rft::ChangeType::add_voter, id});
        }
        const auto known = book.find(id);
        if (known == book.end() || known->second != address) {
            changes.address(id, address);
        }
    }
    // Only addresses change: that needs an entry, too.
    if (changes.steps.empty() && !changes.addresses.empty()) {
        changes.steps.push_back({rft::ChangeType::update, wanted.members.begin()->first});
    }
    return changes;
}

/// From whatever the membership is to what is wanted, round by round.
class Way {
  public:
    Way(Node &node, const Wanted &wanted)
        : node_(node), wanted_(wanted), deadline_(Clock::now() + wait_time) {
    }

    rft::Status go() {
        for (;;) {
            rft::Status status = round();
            if (!is_worth_another(status.code()) || left() <= look_again) {
                return end(std::move(status));
            }
            std::this_thread::sleep_for(look_again);
        }
    }

  private:
    /// Looks, and changes what is not as wanted.
    rft::Status round() {
        // Who goes can ask nobody then, and looks at what has come here. All others read: behind it, they
        // have applied what the leader had, and so their own change, too.
        const bool goes = made_ && wanted_.members.count(node_.options.id) == 0;
        rft::Engine &engine = node_.engine();
        if (!goes) {
            const rft::Result<rft::Outcome> read = engine.read_wait(left());
            if (!read.ok()) {
                return rft::Status(read.code(), read.status().leader(), read.status().message());
            }
        }
        rft::Result<std::vector<rft::Member>> members = engine.members();
        if (!members.ok()) {
            return rft::Status(members.code());
        }
        const bool joint = std::any_of(members->begin(), members->end(), [](const rft::Member &member) {
            return (member.flags & (RFT_MEMBER_OUTGOING | RFT_MEMBER_LEARNER_NEXT)) != 0;
        });
        done_ = !joint && made_ && !goes;
        if (joint || done_) {
            return {};
        }
        const Changes changes = compare(wanted_, *members, node_.store.members());
        done_ = changes.steps.empty();
        if (done_ || made_) {
            return {};
        }
        const rft::Result<rft::Outcome> changed =
            engine.change_wait(changes.steps, left(), rft::Transition::automatic, changes.addresses);
        tried_ = changed.code() != Code::conf_change;
        made_ = changed.ok();
        return rft::Status(changed.code(), changed.status().leader(),
                           changed.ok() ? "" : changed.status().message());
    }

    /// Another change that is under way ends by itself, and so does an election while nothing was asked for
    /// but reads.
    bool is_worth_another(Code code) const {
        if (code == Code::ok || code == Code::conf_change) {
            return !done_;
        }
        return !tried_ && (code == Code::not_leader || code == Code::dropped || code == Code::timed_out);
    }

    rft::Status end(rft::Status status) const {
        if (done_) {
            return status;
        }
        if (made_) { // for who goes, or where a leader has gone meanwhile
            return rft::Status(Code::unknown);
        }
        if (status.ok()) {
            return rft::Status(Code::conf_change);
        }
        // Only reads have failed.
        return status.code() == Code::timed_out && !tried_ ? rft::Status(Code::dropped) : std::move(status);
    }

    std::chrono::milliseconds left() const {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
        return std::max(left, std::chrono::milliseconds(0));
    }

    Node &node_;
    const Wanted &wanted_;
    const Clock::time_point deadline_;
    bool tried_ = false; // the change may have been made
    bool made_ = false;  // it has been
    bool done_ = false;  // nothing is left to change, and no joint one is under way
};

} // namespace

void route_member_list(Exchange &exchange) {
    Wanted wanted;
    if (!parse(wanted, exchange.body)) {
        return exchange.text(
            400, "a line is ID=HOST:PORT or learner ID=HOST:PORT, each ID once, and one is no learner");
    }
    exchange.status(Way(exchange.node, wanted).go());
}

} // namespace kv
