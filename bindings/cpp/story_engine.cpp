// The story of three engines, as bindings/conformance/engine.txt tells it. The argument is an empty
// directory.
#include "check.hpp"

#include <memory>

namespace {

std::string root;
Hub hub;
std::map<std::uint64_t, List> machines; // an entry is replaced only while its engine is closed
std::map<std::uint64_t, std::unique_ptr<rft::Engine>> engines;

rft::Config config_of(std::uint64_t id) {
    rft::Config config = id <= 3 ? rft::Config(id, {1, 2, 3}) : rft::Config(id);
    OK(config.set(rft::Setting::tick_interval_ms, 50));
    return config;
}

rft::Result<rft::Engine> open_dir(const rft::Config &config, std::uint64_t id, List &machine) {
    return rft::Engine::open(config, root + "/" + std::to_string(id), machine.host(&hub));
}

void open(std::uint64_t id) {
    machines.erase(id);
    engines[id] = std::make_unique<rft::Engine>(open_dir(config_of(id), id, machines[id]).value());
    hub.attach(id, engines[id].get());
}

void close(std::uint64_t id) {
    hub.attach(id, nullptr);
    engines.erase(id);
}

rft::NodeStatus status_of(std::uint64_t id) {
    return engines[id]->status().value();
}

// Waits until somebody leads, and the first members that are open agree on it.
std::uint64_t leader() {
    std::uint64_t found = 0;
    until("a leader", [&] {
        found = 0;
        for (const auto &[id, engine] : engines) {
            found = status_of(id).state() == rft::Role::leader ? id : found;
        }
        for (const auto &[id, engine] : engines) {
            if (id <= 3 && status_of(id).leader != found) {
                return false;
            }
        }
        return found != 0;
    });
    return found;
}

std::uint64_t follower() {
    return leader() % 3 + 1;
}

const char *word(rft::Code code) {
    const std::string_view name = rft::name(code);
    return name.data() + (code == rft::Code::ok ? 4 : 6); // without RFT_ or RFT_E_
}

// Repeats what certainly had no effect.
template <class F> rft::Result<rft::Outcome> again(F &&ask) {
    rft::Result<rft::Outcome> result = ask();
    until("an answer", [&] {
        const rft::Code code = result.code();
        if (code != rft::Code::not_leader && code != rft::Code::dropped && code != rft::Code::busy &&
            code != rft::Code::learner_behind) {
            return true;
        }
        result = ask();
        return false;
    });
    return result;
}

void propose(const char *text, const char *where, std::uint64_t (*at)()) {
    rft::Result<rft::Outcome> result = again([&] { return engines[at()]->call(text, patience); });
    const std::string answer = result.ok() ? std::string(rft::Bytes(result->answer).text()) : "";
    std::printf("propose \"%s\" at %s: %s \"%s\"\n", text, where, word(result.code()), answer.c_str());
}

void propose_many() {
    std::mutex lock;
    std::vector<rft::Code> codes;
    rft::Result<rft::Outcome> all = again([&]() -> rft::Result<rft::Outcome> {
        codes.clear();
        std::vector<std::string> texts;
        for (int at = 0; at < 100; at++) {
            texts.push_back("number " + std::to_string(at));
        }
        std::vector<std::pair<rft::Bytes, rft::Done>> entries;
        for (const std::string &text : texts) {
            entries.emplace_back(text, [&](rft::Result<rft::Outcome> result) {
                const std::lock_guard<std::mutex> guard(lock);
                codes.push_back(result.code());
            });
        }
        rft::Status status = engines[leader()]->propose_many(std::move(entries));
        if (!status.ok()) {
            return status;
        }
        until("100 outcomes", [&] {
            const std::lock_guard<std::mutex> guard(lock);
            return codes.size() == 100;
        });
        // A batch that finds no leader is refused as a whole.
        return codes[0] == rft::Code::ok ? rft::Result<rft::Outcome>(rft::Outcome()) : rft::Status(codes[0]);
    });
    OK(all);
    long fine = 0;
    for (const rft::Code code : codes) {
        fine += code == rft::Code::ok;
    }
    std::printf("propose 100 at once: %ld OK\n", fine);
}

void read(const char *where, std::uint64_t (*at)()) {
    std::size_t held = 0;
    rft::Result<rft::Outcome> result = again([&] {
        const std::uint64_t id = at();
        rft::Result<rft::Outcome> outcome = engines[id]->read_wait(patience);
        held = machines[id].holds().size();
        return outcome;
    });
    std::printf("read at %s: %s, it holds %zu\n", where, word(result.code()), held);
}

void change(const char *what, std::vector<rft::Change> changes) {
    rft::Result<rft::Outcome> result =
        again([&] { return engines[leader()]->change_wait(changes, patience); });
    std::printf("%s: %s\n", what, word(result.code()));
}

void members() {
    std::string text;
    rft::Result<std::vector<rft::Member>> list = engines[leader()]->members();
    OK(list);
    for (const rft::Member &member : *list) {
        text += (text.empty() ? "" : ", ") + std::to_string(member.id) +
                (member.is_voter() ? " voter" : " learner");
    }
    std::printf("members: %s\n", text.c_str());
}

void hold(const char *what, std::size_t count, std::vector<std::uint64_t> ids) {
    until(what, [&] {
        const std::vector<std::string> first = machines[ids[0]].holds();
        for (const std::uint64_t id : ids) {
            if (machines[id].holds() != first) {
                return false;
            }
        }
        return first.size() == count;
    });
    std::printf("%s %zu\n", what, count);
}

void bad_input() {
    rft::Result<rft::Outcome> large = engines[leader()]->call(std::string(9u << 20, 'x'), patience);
    std::printf("propose 9 MiB: %s\n", word(large.code()));
    rft::Result<rft::Outcome> zero =
        engines[leader()]->change_wait({{rft::ChangeType::add_voter, 0}}, patience);
    std::printf("add 0 as a voter: %s\n", word(zero.code()));
    List other;
    std::printf("open the directory of 1 again: %s\n", word(open_dir(config_of(1), 1, other).code()));
    std::printf("open without an id: %s\n", word(open_dir(rft::Config(), 9, other).code()));
}

void replace() {
    const std::string bytes = "address of 5";
    open(5);
    rft::Result<rft::Outcome> result = engines[follower()]->replace_wait(4, 5, bytes, patience);
    std::printf("replace 4 by 5: %s\n", word(result.code()));
    close(4);
    members();
    until("the bytes of 5", [&] {
        for (const std::uint64_t id : {1u, 5u}) {
            rft::Result<std::string> known = engines[id]->member_bytes(5);
            OK(known);
            if (*known != bytes) {
                return false;
            }
        }
        return true;
    });
    std::printf("1 and 5 know of 5: \"%s\"\n", bytes.c_str());
}

void membership() {
    open(4);
    change("add 4 as a learner", {{rft::ChangeType::add_learner, 4}});
    hold("4 holds", 102, {4});
    change("promote 4", {{rft::ChangeType::add_voter, 4}});
    members();
    replace();
    change("leave a joint configuration that is not there", {});
    const std::uint64_t old = leader();
    while (!engines[old]->transfer_leader_wait(old % 3 + 1, patience).ok() && leader() == old) {
    }
    std::puts("hand leadership on: OK");
    change("remove 5", {{rft::ChangeType::remove, 5}});
    close(5);
    members();
}

void restart() {
    const std::uint64_t id = leader();
    hub.attach(id, nullptr);
    const std::unique_ptr<rft::Engine> stopped = std::move(engines[id]);
    engines.erase(id);
    OK(stopped->stop(patience));
    std::puts("stop the leader");
    std::printf("propose at the stopped one: %s\n", word(stopped->call("x", patience).code()));
    leader();
    std::puts("another leader is elected");
    propose("three", "the leader", leader);
    std::mutex lock;
    std::optional<rft::Code> saved;
    OK(engines[leader()]->snapshot([&](rft::Result<rft::Outcome> result) {
        const std::lock_guard<std::mutex> guard(lock);
        saved = result.code();
    }));
    until("a snapshot", [&] {
        const std::lock_guard<std::mutex> guard(lock);
        return saved.has_value();
    });
    std::printf("snapshot: %s\n", word(*saved));
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    root = argv[1];
    for (std::uint64_t id = 1; id <= 3; id++) {
        open(id);
    }
    std::puts("open 1 2 3");
    leader();
    std::puts("a leader is elected");
    propose("one", "the leader", leader);
    propose("two", "a follower", follower);
    propose_many();
    propose("", "the leader", leader);
    read("a follower", follower);
    bad_input();
    membership();
    restart();
    for (std::uint64_t id = 1; id <= 3; id++) {
        close(id);
    }
    for (std::uint64_t id = 1; id <= 3; id++) {
        open(id);
    }
    std::puts("stop all, open all");
    leader();
    std::puts("a leader is elected");
    read("the leader", leader);
    propose("four", "the leader", leader);
    hold("all hold the same", 104, {1, 2, 3});
    for (std::uint64_t id = 1; id <= 3; id++) {
        close(id);
    }
}
