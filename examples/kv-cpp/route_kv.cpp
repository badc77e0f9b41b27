// /kv/KEY: writes, with conditions or without, and reads.
#include "routes.hpp"

#include <charconv>

namespace kv {

namespace {

constexpr std::size_t prefix_size = 4; // "/kv/"

int hex_digit(char c) {
    int value = -1;
    std::from_chars(&c, &c + 1, value, 16);
    return value;
}

/// Undoes the percent signs; a key may hold any byte. 0, or the status to refuse it with.
int parse_key(std::string_view text, std::string &key) {
    for (std::size_t at = 0; at < text.size(); at++) {
        if (key.size() == key_max) {
            return 414;
        }
        if (text[at] != '%') {
            key.push_back(text[at]);
            continue;
        }
        const int high = at + 1 < text.size() ? hex_digit(text[at + 1]) : -1;
        const int low = at + 2 < text.size() ? hex_digit(text[at + 2]) : -1;
        if (high < 0 || low < 0) {
            return 400;
        }
        key.push_back(static_cast<char>(high * 16 + low));
        at += 2;
    }
    return key.empty() ? 400 : 0;
}

/// The revision in an entity tag, "17" with its quotes. Decimal without zeros in front: a revision has one
/// form.
std::optional<std::uint64_t> parse_tag(std::string_view tag) {
    if (tag.size() < 3 || tag.front() != '"' || tag.back() != '"' || tag[1] == '0') {
        return std::nullopt;
    }
    return parse_id(tag.substr(1, tag.size() - 2));
}

/// What If-Match and If-None-Match ask for. False when that makes no sense.
bool parse_condition(const httplib::Request &request, Command &command) {
    const std::size_t match = request.get_header_value_count("If-Match"),
                      none_match = request.get_header_value_count("If-None-Match");
    if (match + none_match > 1) {
        return false;
    }
    if (match == 1) {
        command.revision = parse_tag(request.get_header_value("If-Match"));
        return command.revision.has_value();
    }
    if (none_match == 1) {
        command.revision = 0;
        return !command.deletes && request.get_header_value("If-None-Match") == "*";
    }
    return true;
}

/// Proposes, at the leader wherever that is, and waits until the command is applied there: a majority has it
/// on disk.
void write(Exchange &exchange, Command &command) {
    if (!parse_condition(exchange.request, command)) {
        return exchange.text(400, "a write takes If-Match: \"REVISION\", or a PUT takes If-None-Match: *");
    }
    Node &node = exchange.node;
    rft::Result<rft::Outcome> outcome = node.engine().call(command.encode(), wait_time, Answer::size);
    if (!outcome.ok()) {
        return exchange.status(outcome.status());
    }
    const auto answer = Answer::parse(rft::Bytes(outcome->answer).text());
    if (!answer || outcome->answer_size != Answer::size) {
        return exchange.text(500,
                             "the outcome is unknown: the leader gave no answer that this node can read");
    }
    exchange.tag(answer->revision);
    if (!answer->done) {
        return exchange.text(412, "the key has another revision; nothing was done");
    }
    node.counters.writes++;
    exchange.empty(204);
}

void read(Exchange &exchange, std::string_view key) {
    Node &node = exchange.node;
    if (exchange.request.get_param_value("stale") != "1") {
        // Once this returns, the state here holds all that was acknowledged anywhere before the call.
        const rft::Result<rft::Outcome> outcome = node.engine().read_wait(wait_time);
        if (!outcome.ok()) {
            return exchange.status(outcome.status());
        }
    }
    std::optional<Item> item = node.store.get(key);
    node.counters.reads++;
    if (!item) {
        return exchange.text(404, "there is no such key");
    }
    exchange.tag(item->revision);
    exchange.response.status = 200;
    exchange.response.set_header("Content-Type", "application/octet-stream");
    exchange.response.body = std::move(item->value);
}

} // namespace

void route_kv(Exchange &exchange) {
    std::string key;
    const int refusal = parse_key(exchange.path.substr(prefix_size), key);
    if (refusal != 0) {
        return exchange.text(refusal, "a key has 1 to 1024 bytes, with percent signs where needed");
    }
    if (exchange.request.method == "GET") {
        return read(exchange, key);
    }
    Command command;
    command.deletes = exchange.request.method == "DELETE";
    command.key = key;
    command.value = exchange.body;
    write(exchange, command);
}

} // namespace kv
