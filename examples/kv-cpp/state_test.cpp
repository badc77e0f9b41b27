// The bytes that hosts in all languages share: commands, state and hash, against ../README.md's example.
#include "frames.hpp"
#include "state.hpp"

#include <cstdio>
#include <cstdlib>

using namespace kv;
using namespace std::literals;
using rft::Code;

static void check(bool ok, const char *what, int line) {
    if (!ok) {
        std::fprintf(stderr, "state_test.cpp:%d: %s\n", line, what);
        std::exit(1);
    }
}
#define CHECK(condition) check(condition, #condition, __LINE__)

static Code apply(State &state, std::uint64_t index, std::int32_t type, std::string_view data,
                  std::optional<Answer> &answer) {
    rft_entry_t raw = {};
    raw.index = index;
    raw.term = 1;
    raw.type = type;
    raw.data = reinterpret_cast<const std::uint8_t *>(data.data());
    raw.len = data.size();
    return state.apply(rft::Entry(raw), answer);
}

static Code refused(State &state, std::string_view data, std::int32_t type = RFT_ENTRY_NORMAL) {
    std::optional<Answer> answer;
    return apply(state, 1, type, data, answer);
}

static Answer run(State &state, std::uint64_t index, const Command &command) {
    std::optional<Answer> answer;
    CHECK(apply(state, index, RFT_ENTRY_NORMAL, command.encode(), answer) == Code::ok && answer);
    return *answer;
}

static Command put(std::string_view key, std::string_view value, std::optional<std::uint64_t> revision = {}) {
    return {false, revision, key, value};
}

static Command gone(std::string_view key, std::optional<std::uint64_t> revision = {}) {
    return {true, revision, key, {}};
}

static std::string encoded(const State &state) {
    std::string out;
    CHECK(state.encode([&out](rft::Bytes bytes) {
        out.append(bytes.text());
        return Code::ok;
    }) == Code::ok);
    return out;
}

/// Hands out three bytes a call, so that every field is torn somewhere.
static Code decode(State &state, std::string_view bytes) {
    return state.decode([&bytes](char *into, std::size_t room, std::size_t &size) {
        size = bytes.copy(into, std::min<std::size_t>(room, 3));
        bytes.remove_prefix(size);
        return Code::ok;
    });
}

static void test_example() {
    constexpr auto command = "\1\2\0\0\0hiyou"sv;
    constexpr auto bytes = "RFTKV\0\0\2"
                           "\5\0\0\0\0\0\0\0"
                           "\1\0\0\0"
                           "\1\0\0\0\0\0\0\0\3\0\0\0a:1"
                           "\2\0\0\0\0\0\0\0"
                           "\1\0\0\0h"
                           "\4\0\0\0\0\0\0\0"
                           "\0\0\0\0"
                           "\2\0\0\0hi"
                           "\5\0\0\0\0\0\0\0"
                           "\3\0\0\0you"sv;
    State state;
    std::optional<Answer> answer;
    CHECK(apply(state, 2, RFT_ENTRY_CONF_CHANGE, "1=a:1,2=b:2", answer) == Code::ok && !answer);
    CHECK(apply(state, 3, RFT_ENTRY_CONF_CHANGE, "2=", answer) == Code::ok && !answer);
    CHECK(run(state, 4, put("h", "")).revision == 4);
    CHECK(apply(state, 5, RFT_ENTRY_NORMAL, command, answer) == Code::ok && answer->done &&
          answer->revision == 5);
    CHECK(encoded(state) == bytes);
    CHECK(state.hash() == 0x584b294d742c33d5);

    State copy;
    CHECK(decode(copy, bytes) == Code::ok);
    CHECK(copy.applied == 5 && copy.members == state.members && encoded(copy) == bytes);
    // Every shorter state, and one byte more, is refused.
    for (std::size_t size = 0; size < bytes.size(); size++) {
        State part;
        CHECK(decode(part, bytes.substr(0, size)) == Code::decode);
    }
    State more;
    CHECK(decode(more, std::string(bytes) + "x") == Code::decode);
    State failed;
    CHECK(failed.decode([](char *, std::size_t, std::size_t &) { return Code::io; }) == Code::io);
}

/// The order of writing and what was deleted leave no trace.
static void test_canonical() {
    State up, down;
    for (int i = 0; i < 1000; i++) {
        run(up, 1, put("key" + std::to_string(i), "value"));
        run(down, 1, put("key" + std::to_string(999 - i), "other"));
        run(down, 1, put("key" + std::to_string(999 - i), "value"));
    }
    run(down, 1, put("gone", "soon"));
    run(down, 1, gone("gone"));
    CHECK(up.items.size() == 1000 && up.hash() == down.hash());
    run(up, 2, put("key7", "value"));
    CHECK(up.hash() != down.hash());
    // A long value goes out in several pieces, and comes back.
    run(up, 3, put("\xff", std::string(300000, 'x')));
    State copy;
    CHECK(decode(copy, encoded(up)) == Code::ok && copy.hash() == up.hash());
}

/// Writes that ask for a revision, and the bytes of the commands and of their answers.
static void test_conditions() {
    State state;
    Answer answer = run(state, 4, put("k", "v", 0));
    CHECK(answer.done && answer.revision == 4); // there was none, as revision 0 asks
    answer = run(state, 5, put("k", "v", 0));
    CHECK(!answer.done && answer.revision == 4 && state.applied == 5);
    answer = run(state, 6, put("k", "v", 4));
    CHECK(answer.done && answer.revision == 6);
    answer = run(state, 7, gone("k", 4));
    CHECK(!answer.done && answer.revision == 6);
    answer = run(state, 8, gone("k", 6));
    CHECK(answer.done && answer.revision == 0 && state.items.empty());
    answer = run(state, 9, gone("k", 6));
    CHECK(!answer.done && answer.revision == 0);

    CHECK(put("k", "v", 4).encode() == "\3\1\0\0\0k\4\0\0\0\0\0\0\0v"sv);
    CHECK(gone("k", 7).encode() == "\4\1\0\0\0k\7\0\0\0\0\0\0\0"sv);
    CHECK((Answer{false, 0x1234}).encode() == "\0\x34\x12\0\0\0\0\0\0"sv);
    const auto parsed = Answer::parse("\1\x34\x12\0\0\0\0\0\0"sv);
    CHECK(parsed && parsed->done && parsed->revision == 0x1234);
    CHECK(!Answer::parse("\1\x34\x12\0\0\0\0\0"sv) && !Answer::parse("") &&
          !Answer::parse("\2\0\0\0\0\0\0\0\0"sv));
}

static void test_bad_entries() {
    State state;
    for (const std::string_view data :
         {"\x9\1\0\0\0k"sv, "\1\0\0\0\0v"sv, "\3\1\0\0\0k1234567"sv, "\2\1\0\0\0kv"sv,
          "\4\1\0\0\0k12345678v"sv, "\1\xff\xff\xff\xffk"sv, "\1\xff\xff"sv}) {
        CHECK(refused(state, data) == Code::decode);
    }
    CHECK(refused(state, "x=y", RFT_ENTRY_CONF_CHANGE) == Code::decode);
    CHECK(refused(state, "1", RFT_ENTRY_CONF_CHANGE) == Code::decode);
    CHECK(state.applied == 0 && state.items.empty());
    CHECK(refused(state, "") == Code::ok && state.applied == 1);
}

static void test_frames() {
    std::string body;
    append_frame(body, "one");
    append_frame(body, "");
    append_frame(body, "three");
    CHECK(body.size() == 3 * frames_head + 8 && body[7] == 3);
    const auto messages = split_frames(body);
    CHECK(messages && messages->size() == 3 && messages->back().text() == "three");
    CHECK(!split_frames(std::string_view(body).substr(0, body.size() - 1)));
    CHECK(!split_frames("\0\0\0\0"sv) && !split_frames("\xff\xff\xff\xff\xff\xff\xff\xff"sv));
    CHECK(split_frames("")->empty());
}

static void test_members() {
    CHECK(parse_member("4=127.0.0.1:7004") && parse_member("18446744073709551615=[::1]:65535"));
    for (const std::string_view text :
         {"", "4", "4=", "=a:1", "0=a:1", "4=a", "4=a:", "4=:1", "4=a:0", "4=a:65536", "4=a:x", "4=a b:1",
          "4=a,b:1", "18446744073709551616=a:1", "+4=a:1"}) {
        CHECK(!parse_member(text));
    }
    CHECK(host_and_port("[fd00::1]:7") == std::pair(std::string("fd00::1"), 7));
    CHECK(host_and_port("a:65535") == std::pair(std::string("a"), 65535) && !host_and_port("a") &&
          !host_and_port("a:65536"));
    Members members;
    for (std::uint64_t id = 1; id <= members_max; id++) {
        CHECK(set_address(members, id, "a:1"));
    }
    CHECK(!set_address(members, 99, "a:1") && set_address(members, 1, "b:1"));
    CHECK(take_list(members, "1=,99=c:1") && members.count(1) == 0 && members.at(99) == "c:1");
    CHECK(!take_list(members, "98=a:1"));
}

/// A change of the membership has been made when it is applied: a full book must not end every node.
static void test_full_book() {
    State state;
    std::optional<Answer> answer;
    for (std::uint64_t id = 1; id <= members_max; id++) {
        CHECK(set_address(state.members, id, "a:1"));
    }
    CHECK(apply(state, 2, RFT_ENTRY_CONF_CHANGE, "98=a:1,1=,99=b:1,2=c:1", answer) == Code::ok);
    CHECK(state.applied == 2 && state.members.size() == members_max);
    CHECK(state.members.count(98) == 0 && state.members.count(1) == 0);
    CHECK(state.members.at(99) == "b:1" && state.members.at(2) == "c:1");
    const std::string long_one = "2=" + std::string(address_max + 1, 'a');
    CHECK(apply(state, 3, RFT_ENTRY_CONF_CHANGE, long_one, answer) == Code::decode);
}

int main() {
    test_example();
    test_canonical();
    test_conditions();
    test_bad_entries();
    test_frames();
    test_members();
    test_full_book();
    std::puts("state_test: ok");
    return 0;
}
