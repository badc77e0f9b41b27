// The story of three nodes, as bindings/conformance/node.txt tells it.
#include "check.hpp"

namespace {

struct Member {
    rft::Node node;
    long sum;
};

std::vector<Member> members; // node 1 is members[0]

bool handle_ready(std::size_t id) {
    Member &member = members[id - 1];
    if (!member.node.has_ready()) {
        return false;
    }
    rft::Result<rft::Ready> ready = member.node.ready();
    OK(ready);
    for (const rft::Message message : ready->messages()) {
        OK(members[message.to() - 1].node.step(message.data()));
    }
    for (const rft::Entry entry : ready->committed()) {
        if (entry.type() == rft::EntryType::normal && !entry.data().empty()) {
            const std::string command(entry.data().text());
            member.sum += std::stol(command);
            std::printf("node %zu applies %s: the sum is %ld\n", id, command.c_str(), member.sum);
        }
    }
    OK(member.node.advance());
    return true;
}

void settle() {
    for (bool busy = true; busy;) {
        busy = false;
        for (std::size_t id = 1; id <= members.size(); id++) {
            busy = handle_ready(id) || busy;
        }
    }
}

const char *does(rft::Role role) {
    switch (role) { // without a default: a new role does not compile
    case rft::Role::leader:
        return "leads as";
    case rft::Role::follower:
    case rft::Role::candidate:
    case rft::Role::pre_candidate:
        return "follows";
    }
    return "is something new to";
}

} // namespace

int main() {
    for (std::uint64_t id = 1; id <= 3; id++) {
        members.push_back({rft::Node::create(rft::Config(id, {1, 2, 3})).value(), 0});
    }
    OK(members[1].node.campaign());
    settle();
    for (std::size_t id = 1; id <= 3; id++) {
        const rft::NodeStatus status = members[id - 1].node.status().value();
        std::printf("node %zu %s node %d\n", id, does(status.state()), static_cast<int>(status.leader));
    }
    OK(members[1].node.propose({"+1", "+20", "-7"}));
    settle();
    for (Member &member : members) {
        OK(member.node.tick());
    }
    settle();
    for (std::size_t id = 1; id <= 3; id++) {
        const rft::NodeStatus status = members[id - 1].node.status().value();
        std::printf("node %zu has applied %s\n", id, status.applied == status.commit ? "all" : "a part");
    }
}
