/// @file
/// @brief Part of rft.hpp: how a state machine is written down and read back.
#ifndef RFT_SNAPSHOT_HPP
#define RFT_SNAPSHOT_HPP

#include <rft.h>

#include <rft/data.hpp>
#include <rft/status.hpp>
#include <rft/view.hpp>

#include <cstdint>
#include <vector>

namespace rft {
inline namespace v0 {

/// What Host::save writes to, until it returns.
class SnapshotWriter {
  public:
    /// Wraps one.
    explicit SnapshotWriter(rft_snapshot_writer_t *writer) noexcept : writer_(writer) {
    }
    /// Writes the next bytes.
    Status write(Bytes bytes) const noexcept {
        return detail::attempt([&](rft_error_t **error) {
            return rft_snapshot_write(writer_, bytes.data(), bytes.size(), error);
        });
    }

  private:
    rft_snapshot_writer_t *writer_;
};

/// What Host::restore reads from, until it returns.
class SnapshotReader {
  public:
    /// Wraps one.
    explicit SnapshotReader(rft_snapshot_reader_t *reader) noexcept : reader_(reader) {
    }
    /// Reads the next bytes: how many came, 0 at the end.
    Result<std::size_t> read(void *into, std::size_t room) const noexcept {
        std::size_t n = 0;
        Status status = detail::attempt([&](rft_error_t **error) {
            return rft_snapshot_read(reader_, static_cast<std::uint8_t *>(into), room, &n, error);
        });
        if (!status.ok()) {
            return status;
        }
        return n;
    }
    /// Reads all that is left.
    Result<std::vector<std::uint8_t>> read_all() const {
        std::vector<std::uint8_t> all;
        for (;;) {
            const std::size_t have = all.size();
            all.resize(have + 65536);
            Result<std::size_t> n = read(all.data() + have, 65536);
            if (!n.ok()) {
                return Status(n.code());
            }
            all.resize(have + *n);
            if (*n == 0) {
                return all;
            }
        }
    }
    /// How many bytes the snapshot has in all.
    std::uint64_t size() const noexcept {
        return rft_snapshot_len(reader_);
    }

  private:
    rft_snapshot_reader_t *reader_;
};

} // namespace v0
} // namespace rft

#endif // RFT_SNAPSHOT_HPP
