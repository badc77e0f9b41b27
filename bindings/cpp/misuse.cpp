// What a program can get wrong: bad input, callbacks that throw, handles that were moved from, many threads.
// The argument is an empty directory.
#include "check.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <type_traits>

namespace {

std::string root;

template <class T>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<T> &&std::is_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<rft::Config> && moves_only<rft::Engine> && moves_only<rft::Node> &&
              moves_only<rft::Store>);
static_assert(moves_only<rft::Status> && std::is_move_constructible_v<rft::Host>);

rft::Config alone() {
    rft::Config config(1, {1});
    OK(config.set(rft::Setting::tick_interval_ms, 10));
    return config;
}

rft::Engine open_alone(const char *name, rft::Host host) {
    rft::Engine engine = rft::Engine::open(alone(), root + "/" + name, std::move(host)).value();
    OK(engine.campaign());
    until("it leads", [&] { return engine.read_wait(std::chrono::seconds(1)).ok(); });
    return engine;
}

void configurations() {
    OK(rft::check_version());
    CHECK(rft::version_number() == RFT_VERSION_NUMBER && rft::abi_version() == RFT_ABI_VERSION);
    CHECK(std::string(rft::version()) == RFT_VERSION_STRING);
    rft::Config config(1, {1, 2, 3});
    OK(config.validate());
    GIVES(invalid_arg, config.set(rft::Setting::id, 0));
    GIVES(invalid_arg, config.set(static_cast<rft::Setting>(4711), 1));
    GIVES(config, config.set(rft::Setting::tick_interval_ms, 0));
    CHECK(config.get(rft::Setting::election_ticks).value() == 10);
    GIVES(invalid_arg, config.get(static_cast<rft::Setting>(-1)));
    GIVES(invalid_arg, config.add_voter(1));
    GIVES(config, rft::Config().validate());
    GIVES(invalid_arg, rft::Config(0).validate());
    GIVES(invalid_arg, rft::Config(1, {1, 1}).validate());
    const rft::Status twice = rft::Config(1, {1, 1}).validate();
    CHECK(std::string(twice.message()).find("voter 1 is there twice") != std::string::npos);
    GIVES(config, rft::Config(4, {1, 2, 3}).validate());
    GIVES(invalid_arg, rft::Node::create(rft::Config(UINT64_MAX)));
    rft::Config moved = std::move(config);
    OK(moved.validate());
    GIVES(invalid_arg, config.validate());
    GIVES(invalid_arg, config.set(rft::Setting::id, 1));
    rft_config_free(moved.release());

    const rft::Result<rft::Store> refused = rft::Store::open(alone(), "");
    GIVES(invalid_arg, refused);
    CHECK(std::string(refused.status().message()).size() > 5 && !refused.status().is_fatal());
    CHECK(!refused && std::string(rft::name(refused.code())) == "RFT_E_INVALID_ARG");
    bool threw = false;
    try {
        refused.value();
    } catch (const std::runtime_error &error) {
        threw = dynamic_cast<const rft::Error *>(&error) != nullptr;
        CHECK(std::string(error.what()) == refused.status().message());
    }
    CHECK(threw);
}

// A const result can be looked at, and one without a value throws all that its status tells: as much where it
// is an outcome's as where it is a call's.
void results() {
    const rft::Result<std::string> text = std::string("text");
    CHECK(*text == "text" && text->size() == 4 && &text.value() == &*text);
    const rft::Result<std::string> none = rft::Status(rft::Code::not_leader, 7, "node 7 is the leader");
    bool threw = false;
    try {
        (void)none.value();
    } catch (const rft::Error &error) {
        threw = true;
        CHECK(error.code() == rft::Code::not_leader && error.leader() == 7);
        CHECK(error.is_retryable() && !error.is_fatal());
        CHECK(std::string(error.what()) == "node 7 is the leader");
    }
    CHECK(threw);
    CHECK(rft::Status(rft::Code::stopped).is_fatal() && !rft::Status(rft::Code::stopped).is_retryable());
    CHECK(!rft::Status(rft::Code::unknown).is_retryable() && !rft::Status(rft::Code::unknown).is_fatal());
    CHECK(!rft::Status().is_retryable() && !rft::Status().is_fatal());
    CHECK(!rft::is_retryable(static_cast<rft::Code>(-4711)) && !rft::is_fatal(static_cast<rft::Code>(7)));
}

void views() {
    const char *null = nullptr;
    CHECK(rft::Bytes(null).empty() && rft::Bytes("text").size() == 4);
    rft_message_t raw[3] = {};
    raw[0].to = raw[2].to = 2;
    const rft::Span<rft::Message> span(raw, 3);
    CHECK(std::count_if(span.begin(), span.end(), [](rft::Message of) { return of.to() == 2; }) == 2);
    auto at = span.begin();
    CHECK((*at++).to() == 2 && (*at).to() == 0 && std::next(at, 2) == span.end());
}

// Whoever is let in as node 3 cannot speak for node 2.
void forged(rft::Engine &engine) {
    const std::vector<std::uint8_t> of_3 = {0x08, 8, 0x10, 1, 0x18, 3, 0x20, 0};
    const std::vector<std::uint8_t> of_2 = {0x08, 8, 0x10, 1, 0x18, 2, 0x20, 0};
    std::size_t done = 9;
    GIVES(wrong_sender, engine.step_from(3, {of_3, of_2}, &done));
    CHECK(done == 1);
}

// Messages: raftpb.Message, fields type = 1, to = 2, from = 3, term = 4.
template <class T> void messages(T &node) {
    const std::vector<std::uint8_t> hup = {0x08, 0}, stranger = {0x08, 4, 0x10, 1, 0x18, 9, 0x20, 1};
    const std::vector<std::uint8_t> elsewhere = {0x08, 8, 0x10, 2, 0x18, 2, 0x20, 1};
    GIVES(invalid_arg, node.step({}));
    GIVES(local_message, node.step(hup));
    GIVES(unknown_peer, node.step(stranger));
    GIVES(wrong_receiver, node.step(elsewhere));
    GIVES(decode, node.step("\x3a\x7f"));
    CHECK(!node.step(std::string(1u << 20, '\xff')).ok());
    std::size_t done = 9;
    GIVES(unknown_peer, node.step_many({stranger, hup}, &done));
    CHECK(done == 0);
    GIVES(invalid_arg, node.report_unreachable(UINT64_MAX));
    GIVES(invalid_arg, node.transfer_leader(0));
}

void nodes() {
    rft::Config config(1, {1});
    OK(config.set(rft::Setting::proposal_bytes_max, 100));
    rft::Store store = rft::Store::open(config, root + "/store").value();
    GIVES(locked, rft::Store::open(config, root + "/store"));
    CHECK(!store.snapshot().value());
    rft::Node node = rft::Node::create(config, &store).value();
    GIVES(misuse, rft::Node::create(config, &store));
    GIVES(misuse, node.advance());
    OK(node.campaign());
    while (node.has_ready()) {
        OK(node.ready());
        GIVES(misuse, node.ready());
        GIVES(misuse, node.advance()); // not saved
        OK(store.save(node));
        OK(node.advance());
    }
    messages(node);
    GIVES(invalid_arg, node.propose({}));
    GIVES(too_large, node.propose({"x", std::string(101, 'x')}));
    GIVES(conf_change, node.propose_change({}));
    GIVES(invalid_arg, node.propose_change({{rft::ChangeType::add_voter, 0}}));
    GIVES(invalid_arg, node.propose_change({{static_cast<rft::ChangeType>(9), 2}}));
    GIVES(invalid_arg, node.propose_change({}, static_cast<rft::Transition>(-1)));
    GIVES(invalid_arg, node.report_snapshot(0, true));
    GIVES(unavailable, node.snapshot(&store, UINT64_MAX, "x"));
    OK(node.snapshot(&store, node.status().value().applied, "state"));
    OK(node.tick());
    OK(node.read_index(7));
    CHECK(node.members().value().size() == 1 && node.members().value()[0].is_voter());
    CHECK(node.status().value().why() == rft::Code::ok && !node.status().value().reserved[0]);
    rft::Result<rft::Ready> ready = node.ready();
    OK(ready);
    CHECK(ready->role() == rft::Role::leader && ready->leader() == 1 && !ready->snapshot() &&
          ready->entries().empty());
    CHECK(ready->reads().size() == 1 && ready->reads()[0].request() == 7 && !ready->must_sync());
    CHECK(!ready->hard_state() && ready->messages().size() == 0);

    rft::Node moved = std::move(node);
    GIVES(invalid_arg, node.tick());
    GIVES(invalid_arg, node.members());
    CHECK(!node.has_ready());
    OK(store.save(moved));
    OK(moved.advance());
    moved = rft::Node::create(rft::Config(2)).value(); // frees the first one
    rft_node_free(moved.release());
    GIVES(invalid_arg, store.save(moved));
    CHECK(store.snapshot().value()->data.text() == "state");
    rft_store_free(store.release());
    GIVES(invalid_arg, store.snapshot());
}

// A command that is proposed again is applied once.
void sessions() {
    List list;
    rft::Engine engine = open_alone("sessions", list.host(nullptr));
    const std::uint64_t session = engine.session_open_wait(patience).value().index;
    for (int round = 0; round < 3; round++) {
        rft::Result<rft::Outcome> once = engine.call_once(session, 1, "once", patience);
        OK(once);
        CHECK(rft::Bytes(once->answer).text() == "1");
    }
    CHECK(list.holds().size() == 1);
    GIVES(invalid_arg, engine.call_once(session, 0, "x", patience));
    OK(engine.call_once(session, 2, "x", patience));
    GIVES(session, engine.call_once(session, 1, "once", patience));
    std::atomic<int> done{0};
    OK(engine.propose_once(session, 3, "y", [&](auto &&result) { done += result.ok(); }));
    OK(engine.session_open([&](auto &&result) { done += result.ok(); }));
    OK(engine.session_close(session, [&](auto &&result) { done += result.ok(); }));
    OK(engine.read_within(std::chrono::hours(1), [&](auto &&result) { done += result.ok(); }));
    until("all four", [&] { return done == 4; });
    GIVES(session, engine.call_once(session, 4, "z", patience));
    CHECK(engine.read_within_wait(std::chrono::seconds(0), patience).value().age_ms == 0);
    CHECK(engine.counter(rft::Counter::applied).value() >= 3);
    GIVES(invalid_arg, engine.counter(static_cast<rft::Counter>(-1)));
    CHECK(engine.metrics().value().find("# TYPE") != std::string::npos);
    const std::string json = engine.status_json().value();
    CHECK(json.front() == '{' && json.find('}') != std::string::npos);
}

void engines() {
    List list;
    {
        rft::Engine engine = open_alone("engine", list.host(nullptr));
        GIVES(locked, rft::Engine::open(alone(), root + "/engine", list.host(nullptr)));
        messages(engine);
        forged(engine);
        GIVES(too_large, engine.call(std::string(9u << 20, 'x'), patience));
        GIVES(too_large, engine.propose(std::string(9u << 20, 'x'), [](auto &&) { std::abort(); }));
        GIVES(invalid_arg, engine.change({{rft::ChangeType::remove, 0}}, [](auto &&) { std::abort(); }));
        GIVES(conf_change, engine.change_wait({{rft::ChangeType::remove, 1}}, patience));
        rft::Result<rft::Outcome> cut = engine.call("x", patience, 0);
        CHECK(cut->answer.empty() && cut->answer_size == 1);
        CHECK(engine.propose_wait("x", patience).value().index > cut->index);
        GIVES(timed_out, engine.propose_wait("x", std::chrono::milliseconds(-5)));
        rft::Engine moved = std::move(engine);
        GIVES(invalid_arg, engine.campaign());
        GIVES(invalid_arg, engine.propose("x", [](auto &&) { std::abort(); }));
        GIVES(invalid_arg, engine.propose_many({}));
        GIVES(invalid_arg, engine.stop(patience));
        CHECK(engine.c_handle() == nullptr);
        OK(moved.stop(patience));
        OK(moved.stop(patience));
        GIVES(stopped, moved.propose("x", [](auto &&) { std::abort(); }));
        GIVES(stopped, moved.read([](auto &&) { std::abort(); }));
        CHECK(moved.status().value().id == 1 && moved.members().value().size() == 1);
    }
    sessions();
    GIVES(invalid_arg, rft::Engine::open(alone(), root + "/none", rft::Host())); // without apply
    rft::Config foreign = alone();
    OK(foreign.set(rft::Setting::cluster_id, 2));
    GIVES(foreign, rft::Engine::open(foreign, root + "/engine", list.host(nullptr)));
    GIVES(io, rft::Engine::open(alone(), "/dev/null/x", list.host(nullptr)));
}

// Each of many requests is told of its own outcome, once; those that are refused are told nothing.
void many_at_once() {
    List list;
    rft::Engine engine = open_alone("many", list.host(nullptr));
    const std::string large(9u << 20, 'x');
    for (int round = 0; round < 3; round++) {
        constexpr int n = 200;
        std::vector<std::string> answers(n);
        std::vector<std::pair<rft::Bytes, rft::Done>> entries, refused;
        std::atomic<int> missing{0};
        for (std::string &answer : answers) {
            const bool wanted = (&answer - answers.data()) % 3 != 0;
            missing += wanted ? 1 : 0;
            entries.emplace_back("x", wanted
                                          ? rft::Done([&missing, &answer](rft::Result<rft::Outcome> outcome) {
                                                answer += rft::Bytes(outcome.value().answer).text();
                                                --missing;
                                            })
                                          : rft::Done());
            refused.emplace_back(large, [](auto &&) { std::abort(); });
        }
        GIVES(too_large, engine.propose_many(std::move(refused)));
        OK(engine.propose_many(std::move(entries)));
        OK(engine.propose_wait("behind them", patience));
        until("all are told", [&] { return missing == 0; });
        for (int at = 0; at < n; at++) {
            const std::string place = std::to_string(round * (n + 1) + at + 1);
            CHECK(answers[static_cast<std::size_t>(at)] == (at % 3 != 0 ? place : ""));
        }
    }
}

// What a callback owns is destroyed once, whatever happens.
struct Tally {
    std::atomic<int> *count;
    explicit Tally(std::atomic<int> *at) : count(at) {
    }
    Tally(Tally &&other) noexcept : count(std::exchange(other.count, nullptr)) {
    }
    ~Tally() {
        if (count != nullptr) {
            ++*count;
        }
    }
};

void throwing_callbacks() {
    std::atomic<int> drops{0};
    Lines lines;
    std::atomic<bool> apply_throws{false};
    List list;
    const auto host = [&] {
        rft::Host wild = list.host(nullptr);
        wild.send = [](rft::Span<rft::Message>) { throw std::runtime_error("send"); };
        wild.event = [](rft::Event) { throw 7; };
        wild.log = [&](rft::LogLevel, std::string_view text) {
            lines.put(text);
            throw std::runtime_error("log");
        };
        wild.save = [](rft::SnapshotWriter) -> rft::Code { throw std::runtime_error("save"); };
        wild.apply = [&, tally = Tally(&drops)](rft::Span<rft::Entry> entries) {
            list.apply(entries);
            if (apply_throws) {
                throw std::runtime_error("apply");
            }
        };
        return wild;
    };
    {
        rft::Engine engine = open_alone("wild", host());
        OK(engine.call("x", patience));
        OK(engine.propose("y", [](auto &&) { throw std::runtime_error("done"); }));
        std::atomic<int> saved{0};
        OK(engine.snapshot([&](rft::Result<rft::Outcome> result) { saved = result.ok() ? 1 : 2; }));
        until("no snapshot", [&] { return saved == 2; });
        OK(engine.call("z", patience));
        const auto unsaved = engine.snapshot_wait(patience);
        GIVES(host, unsaved);
        CHECK(!unsaved.status().is_fatal() && !unsaved.status().is_retryable());
        OK(engine.call("z", patience));
        apply_throws = true;
        CHECK(!engine.call("w", patience).ok());
        until("it stops", [&] { return engine.status().value().why() == rft::Code::host; });
        rft::Status why = engine.campaign();
        GIVES(host, why);
        CHECK(why.is_fatal() && !why.is_retryable());
        CHECK(std::string(why.message()) == "apply of the host failed with -24 (RFT_E_HOST)");
        for (const char *line : {"event has thrown what is no std::exception", "save has thrown save",
                                 "what takes an outcome has thrown done", "apply has thrown apply"}) {
            CHECK(lines.has(line));
        }
    }
    CHECK(drops == 1);
    rft::Host refused = host();
    refused.restore = {};
    GIVES(invalid_arg, rft::Engine::open(alone(), root + "/refused", std::move(refused)));
    CHECK(drops == 2);
}

void restore_that_throws() {
    List list;
    {
        rft::Engine engine = open_alone("restore", list.host(nullptr));
        OK(engine.call("x", patience));
        std::atomic<bool> saved{false};
        OK(engine.snapshot([&](rft::Result<rft::Outcome> result) { saved = result.ok(); }));
        until("a snapshot", [&] { return saved.load(); });
    }
    rft::Host host = list.host(nullptr);
    Lines lines;
    host.log = [&](rft::LogLevel, std::string_view text) { lines.put(text); };
    host.restore = [](rft::SnapshotReader) { throw std::runtime_error("restore"); };
    GIVES(host, rft::Engine::open(alone(), root + "/restore", std::move(host)));
    CHECK(lines.has("restore has thrown restore"));
}

void many_threads() {
    List list;
    std::atomic<int> outcomes{0}, taken{0};
    {
        rft::Engine engine = open_alone("threads", list.host(nullptr));
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 8; thread++) {
            threads.emplace_back([&] {
                for (int round = 0; round < 50; round++) {
                    OK(engine.call("waits", patience));
                    if (engine.propose("goes on", [&](auto &&) { ++outcomes; }).ok()) {
                        ++taken;
                    }
                    OK(engine.members());
                }
            });
        }
        for (std::thread &thread : threads) {
            thread.join();
        }
        GIVES(ok, engine.read([&](auto &&) { ++outcomes; }));
        ++taken;
    }
    CHECK(outcomes == taken && taken == 401);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    root = argv[1];
    configurations();
    results();
    views();
    nodes();
    engines();
    many_at_once();
    throwing_callbacks();
    restore_that_throws();
    many_threads();
    std::puts("misuse: ok");
}
