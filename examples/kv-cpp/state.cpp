#include "state.hpp"

#include <utility>

namespace kv {

using rft::Code;

namespace {

constexpr std::string_view magic("RFTKV\0\0\2", 8);
constexpr std::size_t piece_size = 64 * 1024;

/// Small fields are gathered, so that a stream gets few and long pieces. The first failure stays.
class Encoder {
  public:
    explicit Encoder(const State::Sink &sink) : sink_(sink) {
    }
    void put(std::string_view bytes) {
        piece_.append(bytes);
        if (piece_.size() >= piece_size) {
            flush();
        }
    }
    void number(std::uint64_t value, std::size_t bytes) {
        append_le(piece_, value, bytes);
    }
    void sized(std::string_view bytes) {
        number(bytes.size(), 4);
        put(bytes);
    }
    Code flush() {
        if (code_ == Code::ok && !piece_.empty()) {
            code_ = sink_(piece_);
        }
        piece_.clear();
        return code_;
    }

  private:
    const State::Sink &sink_;
    std::string piece_;
    Code code_ = Code::ok;
};

/// Once something was missing or wrong, the code stays and all that is read is empty.
class Decoder {
  public:
    explicit Decoder(const State::Source &source) : source_(source), piece_(piece_size, '\0') {
    }
    std::string bytes(std::size_t size) {
        std::string out;
        while (out.size() < size && more()) {
            const std::size_t n = std::min(size - out.size(), size_ - at_);
            out.append(piece_, at_, n);
            at_ += n;
        }
        if (out.size() < size) {
            refuse();
        }
        return code_ == Code::ok ? out : std::string();
    }
    std::uint64_t number(std::size_t size) {
        return load_le(bytes(size));
    }
    /// Bytes behind their length; one beyond `max` was never written by us and must not size an allocation.
    std::string sized(std::size_t max) {
        const std::uint64_t size = number(4);
        if (size > max) {
            refuse();
        }
        return code_ == Code::ok ? bytes(size) : std::string();
    }
    void refuse() {
        if (code_ == Code::ok) {
            code_ = Code::decode;
        }
    }
    bool ok() const {
        return code_ == Code::ok;
    }
    Code end() {
        if (more()) {
            refuse(); // bytes behind the end
        }
        return code_;
    }

  private:
    bool more() {
        if (code_ == Code::ok && at_ == size_) {
            at_ = size_ = 0;
            code_ = source_(piece_.data(), piece_.size(), size_);
        }
        return code_ == Code::ok && at_ < size_;
    }

    const State::Source &source_;
    std::string piece_;
    std::size_t at_ = 0, size_ = 0;
    Code code_ = Code::ok;
};

} // namespace

Answer State::run(std::uint64_t index, const Command &command) {
    const auto at = items.find(command.key);
    const std::uint64_t revision = at == items.end() ? 0 : at->second.revision;
    if (command.revision && *command.revision != revision) {
        return {false, revision};
    }
    if (!command.deletes) {
        items.insert_or_assign(std::string(command.key), Item{index, std::string(command.value)});
        return {true, index};
    }
    if (at != items.end()) {
        items.erase(at);
    }
    return {true, 0};
}

Code State::apply(rft::Entry entry, std::optional<Answer> &answer) {
    answer.reset();
    if (entry.type() == rft::EntryType::conf_change) {
        // The context of a membership change is a list of addresses. A host that speaks to nobody by address
        // may leave it empty, and so does the library when it ends a joint change by itself.
        if (!follow_list(members, entry.data().text())) {
            return Code::decode;
        }
    } else if (!entry.data().empty()) {
        // An entry of no bytes is a new leader's first one.
        const std::optional<Command> command = Command::parse(entry.data().text());
        if (!command) {
            return Code::decode;
        }
        answer = run(entry.index(), *command);
    }
    applied = entry.index();
    return Code::ok;
}

Code State::encode(const Sink &sink) const {
    Encoder out(sink);
    out.put(magic);
    out.number(applied, 8);
    out.number(members.size(), 4);
    for (const auto &[id, address] : members) {
        out.number(id, 8);
        out.sized(address);
    }
    out.number(items.size(), 8);
    for (const auto &[key, item] : items) {
        out.sized(key);
        out.number(item.revision, 8);
        out.sized(item.value);
    }
    return out.flush();
}

Code State::decode(const Source &source) {
    Decoder in(source);
    if (in.bytes(magic.size()) != magic) {
        in.refuse();
    }
    applied = in.number(8);
    const std::uint64_t member_count = in.number(4);
    for (std::uint64_t i = 0; i < member_count && in.ok(); i++) {
        const std::uint64_t id = in.number(8);
        if (!set_address(members, id, in.sized(address_max))) {
            in.refuse();
        }
    }
    const std::uint64_t item_count = in.number(8);
    for (std::uint64_t i = 0; i < item_count && in.ok(); i++) {
        std::string key = in.sized(key_max);
        Item item;
        item.revision = in.number(8);
        item.value = in.sized(value_max);
        items.insert_or_assign(items.end(), std::move(key), std::move(item)); // they come in order
    }
    return in.end();
}

std::uint64_t State::hash() const {
    std::uint64_t hash = 0xcbf29ce484222325;
    encode([&hash](rft::Bytes bytes) {
        for (const char c : bytes.text()) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        }
        return Code::ok;
    });
    return hash;
}

} // namespace kv
