// POST /members: one change of the membership. A body of several lines is one joint change.
#include "changes.hpp"
#include "routes.hpp"

namespace kv {

namespace {

constexpr std::size_t lines_max = 16;

struct Verb {
    std::string_view word;
    rft::ChangeType type;
    bool takes_address;
};

constexpr Verb verbs[] = {
    {"add ", rft::ChangeType::add_voter, true},
    {"add-learner ", rft::ChangeType::add_learner, true},
    {"promote ", rft::ChangeType::add_voter, false},
    {"remove ", rft::ChangeType::remove, false},
};

/// "add-learner 4=127.0.0.1:7004", "promote 4", "remove 2"
bool take_line(Changes &changes, std::string_view line) {
    for (const Verb &verb : verbs) {
        if (line.substr(0, verb.word.size()) != verb.word) {
            continue;
        }
        line.remove_prefix(verb.word.size());
        std::pair<std::uint64_t, std::string> member;
        if (verb.takes_address) {
            const auto parsed = parse_member(line);
            if (!parsed) {
                return false;
            }
            member = *parsed;
        } else {
            member.first = parse_id(line).value_or(0);
        }
        if (member.first == 0) {
            return false;
        }
        if (verb.takes_address || verb.type == rft::ChangeType::remove) {
            changes.address(member.first, member.second);
        }
        changes.steps.push_back({verb.type, member.first});
        return changes.steps.size() <= lines_max;
    }
    return false;
}

bool parse(Changes &changes, std::string_view body) {
    std::string_view line;
    while (next_line(body, line)) {
        if (!take_line(changes, line)) {
            return false;
        }
    }
    return !changes.steps.empty();
}

} // namespace

void route_members(Exchange &exchange) {
    Changes changes;
    if (!parse(changes, exchange.body)) {
        return exchange.text(
            400, "a line is one of: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID");
    }
    Members book = exchange.node.store.members();
    if (!take_list(book, changes.addresses)) {
        return exchange.text(409, "the address book has no room; nothing was done");
    }
    exchange.status(exchange.node.engine()
                        .change_wait(changes.steps, wait_time, rft::Transition::automatic, changes.addresses)
                        .status());
}

} // namespace kv
