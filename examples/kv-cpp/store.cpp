#include "store.hpp"

#include <mutex>
#include <utility>

namespace kv {

using rft::Code;

Store::Store(Members first) {
    state_.members = std::move(first);
}

Code Store::apply(rft::Span<rft::Entry> entries, bool &members_changed) {
    const std::lock_guard guard(lock_);
    members_changed = false;
    for (const rft::Entry entry : entries) {
        std::optional<Answer> answer;
        Code code = state_.apply(entry, answer);
        if (code == Code::ok && answer) {
            code = entry.answer(answer->encode()).code();
        }
        if (code != Code::ok) {
            return code;
        }
        members_changed = members_changed || entry.type() == rft::EntryType::conf_change;
    }
    return Code::ok;
}

Code Store::save(rft::SnapshotWriter to) const {
    // Readers go on meanwhile. Nothing is applied: save and apply share the library's applier thread.
    const std::shared_lock guard(lock_);
    return state_.encode([to](rft::Bytes bytes) { return to.write(bytes).code(); });
}

Code Store::restore(rft::SnapshotReader from) {
    // Decoded aside: until all of it has been read well, the old state stays.
    State fresh;
    const Code code = fresh.decode([from](char *into, std::size_t room, std::size_t &size) {
        rft::Result<std::size_t> n = from.read(into, room);
        size = n.ok() ? *n : 0;
        return n.code();
    });
    if (code == Code::ok) {
        const std::lock_guard guard(lock_);
        std::swap(state_, fresh);
    }
    return code;
}

std::optional<Item> Store::get(std::string_view key) const {
    const std::shared_lock guard(lock_);
    const auto at = state_.items.find(key);
    return at == state_.items.end() ? std::nullopt : std::optional(at->second);
}

Members Store::members() const {
    const std::shared_lock guard(lock_);
    return state_.members;
}

Store::Summary Store::summary(bool with_hash) const {
    const std::shared_lock guard(lock_);
    return {state_.applied, with_hash ? state_.hash() : 0, state_.items.size()};
}

} // namespace kv
