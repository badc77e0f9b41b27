#include "frames.hpp"

namespace kv {

void append_frame(std::string &body, std::string_view message) {
    for (std::size_t i = 0; i < frames_head; i++) {
        body.push_back(
            static_cast<char>(std::uint64_t{message.size()} >> (8 * (frames_head - 1 - i)) & 0xff));
    }
    body.append(message);
}

std::optional<std::vector<rft::Bytes>> split_frames(std::string_view body) {
    std::vector<rft::Bytes> messages;
    while (!body.empty()) {
        std::uint64_t size = 0;
        for (const char c : body.substr(0, frames_head)) {
            size = size << 8 | static_cast<unsigned char>(c);
        }
        if (body.size() < frames_head || size > body.size() - frames_head) {
            return std::nullopt;
        }
        messages.emplace_back(body.data() + frames_head, size);
        body.remove_prefix(frames_head + size);
    }
    return messages;
}

} // namespace kv
