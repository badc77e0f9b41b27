// GET /status: what this node knows, as JSON. ?hash=0 leaves out the hash, which walks the whole state.
#include "routes.hpp"

#include <cinttypes>
#include <cstdio>

namespace kv {

namespace {

const char *name_of(rft::Role role) {
    switch (role) {
    case rft::Role::follower:
        return "follower";
    case rft::Role::candidate:
        return "candidate";
    case rft::Role::leader:
        return "leader";
    case rft::Role::pre_candidate:
        return "pre_candidate";
    }
    return "unknown";
}

const char *name_of(rft::Progress progress) {
    switch (progress) {
    case rft::Progress::probe:
        return "probe";
    case rft::Progress::replicate:
        return "replicate";
    case rft::Progress::snapshot:
        return "snapshot";
    case rft::Progress::unknown:
        break; // only a leader knows
    }
    return "unknown";
}

/// One JSON object or array, piece by piece.
class Json {
  public:
    Json &open(char bracket) {
        begin();
        out_ += bracket;
        first_ = true;
        return *this;
    }
    Json &close(char bracket) {
        out_ += bracket;
        first_ = false;
        return *this;
    }
    Json &key(std::string_view name) {
        text(name);
        out_ += ':';
        first_ = true;
        return *this;
    }
    Json &number(std::uint64_t value) {
        begin();
        out_ += std::to_string(value);
        return *this;
    }
    Json &boolean(bool value) {
        begin();
        out_ += value ? "true" : "false";
        return *this;
    }
    Json &text(std::string_view value) {
        begin();
        out_ += '"';
        for (const char c : value) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned char>(c));
            if (c == '"' || c == '\\') {
                out_ += '\\';
                out_ += c;
            } else if (static_cast<unsigned char>(c) < 0x20) {
                out_ += escaped;
            } else {
                out_ += c;
            }
        }
        out_ += '"';
        return *this;
    }
    const std::string &str() const {
        return out_;
    }

  private:
    void begin() {
        if (!first_) {
            out_ += ',';
        }
        first_ = false;
    }

    std::string out_;
    bool first_ = true; // no comma before what comes next
};

void add_members(Json &json, Node &node) {
    constexpr std::pair<std::uint32_t, const char *> flags[] = {
        {RFT_MEMBER_VOTER, "voter"},
        {RFT_MEMBER_LEARNER, "learner"},
        {RFT_MEMBER_OUTGOING, "outgoing"},
        {RFT_MEMBER_LEARNER_NEXT, "learner_next"},
    };
    const Members book = node.store.members();
    rft::Result<std::vector<rft::Member>> members = node.engine().members();
    json.key("members").open('[');
    for (std::size_t i = 0; members.ok() && i < members->size(); i++) {
        const rft::Member &member = (*members)[i];
        const auto address = book.find(member.id);
        json.open('{').key("id").number(member.id);
        json.key("address").text(address == book.end() ? "" : address->second);
        json.key("flags").open('[');
        for (const auto &[flag, name] : flags) {
            if ((member.flags & flag) != 0) {
                json.text(name);
            }
        }
        json.close(']').key("progress").text(name_of(member.progress));
        json.key("matched").number(member.matched);
        json.key("active").boolean(member.recent_active).close('}');
    }
    json.close(']');
}

void add_state(Json &json, const Store::Summary &state, bool with_hash) {
    json.key("state").open('{').key("applied").number(state.applied).key("keys").number(state.keys);
    if (with_hash) {
        char hash[17];
        std::snprintf(hash, sizeof hash, "%016" PRIx64, state.hash);
        json.key("hash").text(hash);
    }
    json.close('}');
}

void add_counters(Json &json, const Counters &counters) {
    json.key("counters").open('{');
    json.key("writes").number(counters.writes).key("reads").number(counters.reads);
    json.key("elections").number(counters.elections);
    json.key("snapshots_saved").number(counters.snapshots_saved);
    json.key("snapshot_bytes_saved").number(counters.snapshot_bytes_saved);
    json.key("snapshots_restored").number(counters.snapshots_restored);
    json.key("snapshot_bytes_restored").number(counters.snapshot_bytes_restored);
    json.key("restarts").number(counters.starts - 1).close('}');
}

} // namespace

void route_status(Exchange &exchange) {
    Node &node = exchange.node;
    const bool with_hash = exchange.request.get_param_value("hash") != "0";
    rft::Result<rft::NodeStatus> status = node.engine().status();
    if (!status.ok()) {
        return exchange.status(status.status());
    }
    Json json;
    json.open('{').key("program").text("kv-cpp").key("id").number(status->id);
    json.key("cluster_id").number(node.options.cluster_id);
    json.key("role").text(name_of(status->state())).key("term").number(status->term);
    json.key("leader").number(status->leader).key("commit").number(status->commit);
    json.key("applied").number(status->applied).key("first_index").number(status->first_index);
    json.key("last_index").number(status->last_index).key("snapshot_index").number(status->snapshot_index);
    json.key("disk_full").boolean(status->disk_full != 0).key("failure").text(rft::name(status->why()));
    add_members(json, node);
    add_state(json, node.store.summary(with_hash), with_hash);
    add_counters(json, node.counters);
    json.close('}');
    exchange.response.status = 200;
    exchange.response.set_content(json.str() + "\n", "application/json");
}

} // namespace kv
