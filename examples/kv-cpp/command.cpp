#include "command.hpp"

namespace kv {

namespace {

enum Op : char { op_put = 1, op_delete = 2, op_put_if = 3, op_delete_if = 4 };
constexpr std::size_t head_size = 5; // op u8, key_len u32
constexpr std::size_t revision_size = 8;

} // namespace

void append_le(std::string &out, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i++) {
        out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    }
}

std::uint64_t load_le(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); i++) {
        value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return value;
}

std::string Command::encode() const {
    std::string out;
    out.reserve(head_size + key.size() + revision_size + value.size());
    out.push_back(deletes ? (revision ? op_delete_if : op_delete) : (revision ? op_put_if : op_put));
    append_le(out, key.size(), 4);
    out.append(key);
    if (revision) {
        append_le(out, *revision, revision_size);
    }
    if (!deletes) {
        out.append(value);
    }
    return out;
}

std::optional<Command> Command::parse(std::string_view bytes) {
    // An op of a newer program is refused too: to skip it would be to differ from the nodes that know it.
    if (bytes.size() < head_size || bytes[0] < op_put || bytes[0] > op_delete_if) {
        return std::nullopt;
    }
    Command command;
    const char op = bytes[0];
    const std::uint64_t key_size = load_le(bytes.substr(1, 4));
    bytes.remove_prefix(head_size);
    if (key_size == 0 || key_size > key_max || key_size > bytes.size()) {
        return std::nullopt;
    }
    command.deletes = op == op_delete || op == op_delete_if;
    command.key = bytes.substr(0, key_size);
    bytes.remove_prefix(key_size);
    if (op == op_put_if || op == op_delete_if) {
        if (bytes.size() < revision_size) {
            return std::nullopt;
        }
        command.revision = load_le(bytes.substr(0, revision_size));
        bytes.remove_prefix(revision_size);
    }
    if (bytes.size() > (command.deletes ? 0 : value_max)) {
        return std::nullopt;
    }
    command.value = bytes;
    return command;
}

std::string Answer::encode() const {
    std::string out(1, done ? '\1' : '\0');
    append_le(out, revision, size - 1);
    return out;
}

std::optional<Answer> Answer::parse(std::string_view bytes) {
    if (bytes.size() != size || bytes[0] < 0 || bytes[0] > 1) {
        return std::nullopt;
    }
    return Answer{bytes[0] == 1, load_le(bytes.substr(1))};
}

} // namespace kv
