#include "members.hpp"

#include <charconv>

namespace kv {

bool set_address(Members &members, std::uint64_t id, std::string_view address) {
    if (address.empty()) {
        members.erase(id);
        return true;
    }
    if (address.size() > address_max || (members.size() == members_max && members.count(id) == 0)) {
        return false;
    }
    members[id] = address;
    return true;
}

static bool take(Members &members, std::string_view text, bool has_to_fit) {
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(item.size() < text.size() ? item.size() + 1 : item.size());
        const std::size_t equals = item.find('=');
        const auto id = parse_id(item.substr(0, equals));
        if (equals == item.npos || !id) {
            return false;
        }
        const std::string_view address = item.substr(equals + 1);
        if (!set_address(members, *id, address) && (has_to_fit || address.size() > address_max)) {
            return false;
        }
    }
    return true;
}

bool take_list(Members &members, std::string_view text) {
    return take(members, text, true);
}

bool follow_list(Members &members, std::string_view text) {
    return take(members, text, false);
}

std::optional<std::uint64_t> parse_id(std::string_view text) {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size() || id == 0) {
        return std::nullopt;
    }
    return id;
}

std::optional<std::pair<std::uint64_t, std::string>> parse_member(std::string_view text) {
    const std::size_t equals = text.find('='), colon = text.rfind(':');
    if (equals == text.npos || colon == text.npos || colon <= equals + 1) {
        return std::nullopt;
    }
    const std::string_view address = text.substr(equals + 1),
                           host = text.substr(equals + 1, colon - equals - 1);
    constexpr std::string_view allowed =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]";
    const auto id = parse_id(text.substr(0, equals)), port = parse_id(text.substr(colon + 1));
    if (!id || !port || *port > UINT16_MAX || address.size() > address_max ||
        host.find_first_not_of(allowed) != host.npos) {
        return std::nullopt;
    }
    return std::pair(*id, std::string(address));
}

std::optional<std::pair<std::string, int>> host_and_port(std::string_view address) {
    const std::size_t colon = address.rfind(':');
    const auto port = parse_id(address.substr(colon == address.npos ? address.size() : colon + 1));
    if (!port || *port > UINT16_MAX) {
        return std::nullopt;
    }
    std::string_view host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    return std::pair(std::string(host), static_cast<int>(*port));
}

bool next_line(std::string_view &text, std::string_view &line) {
    do {
        if (text.empty()) {
            return false;
        }
        line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() < text.size() ? line.size() + 1 : line.size());
    } while (line.empty());
    return true;
}

} // namespace kv
