/// Many messages in one body: each behind its length, 8 bytes big-endian, as rafthttp's streams have it.
#ifndef KV_FRAMES_HPP
#define KV_FRAMES_HPP

#include <rft/view.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

constexpr std::size_t frames_body_max = std::size_t{64} << 20;
constexpr std::size_t frames_head = 8;
constexpr const char *type_message = "application/protobuf";     ///< One message, bare.
constexpr const char *type_frames = "application/x-raft-frames"; ///< Any number of frames.

void append_frame(std::string &body, std::string_view message);
/// The messages of a body, which they point into. Nothing when it is not whole frames.
std::optional<std::vector<rft::Bytes>> split_frames(std::string_view body);

} // namespace kv

#endif // KV_FRAMES_HPP
