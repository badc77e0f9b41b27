/// @file
/// @brief Part of rft.hpp: the configuration.
#ifndef RFT_CONFIG_HPP
#define RFT_CONFIG_HPP

#include <rft.h>

#include <rft/code.hpp>
#include <rft/data.hpp>
#include <rft/status.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>

namespace rft {
inline namespace v0 {

/// A configuration: one thread at a time.
class Config {
  public:
    /// Every setting at its default; only the id has none.
    Config() noexcept : config_(rft_config_new()) {
    }
    /// With an id and the first members of a new cluster. What is wrong with them, validate() tells, and so
    /// does everything that takes the configuration.
    explicit Config(std::uint64_t id, std::initializer_list<std::uint64_t> voters = {}) : Config() {
        first_ = set(Setting::id, id);
        for (const std::uint64_t voter : voters) {
            Status status = add_voter(voter);
            if (first_.ok()) {
                first_ = std::move(status);
            }
        }
    }

    /// Sets one setting.
    Status set(Setting setting, std::uint64_t value) noexcept {
        return detail::attempt([&](rft_error_t **error) {
            return rft_config_set(config_.get(), static_cast<std::int32_t>(setting), value, error);
        });
    }
    /// Reads one setting.
    Result<std::uint64_t> get(Setting setting) const noexcept {
        std::uint64_t value = 0;
        Status status = detail::attempt([&](rft_error_t **error) {
            return rft_config_get(config_.get(), static_cast<std::int32_t>(setting), &value, error);
        });
        if (!status.ok()) {
            return status;
        }
        return value;
    }
    /// Adds a first member of a new cluster.
    Status add_voter(std::uint64_t id) noexcept {
        return detail::attempt(
            [&](rft_error_t **error) { return rft_config_add_voter(config_.get(), id, error); });
    }
    /// Says whether a node could start with it.
    Status validate() const noexcept {
        if (!first_.ok()) {
            return Status(first_.code(), 0, first_.message());
        }
        return detail::attempt(
            [&](rft_error_t **error) { return rft_config_validate(config_.get(), error); });
    }
    /// The handle, lent.
    rft_config_t *c_handle() const noexcept {
        return config_.get();
    }
    /// The handle, given away: it is freed with rft_config_free.
    rft_config_t *release() noexcept {
        return config_.release();
    }

  private:
    detail::Owned<rft_config_t, rft_config_free> config_;
    Status first_; // what went wrong in the constructor
};

} // namespace v0
} // namespace rft

#endif // RFT_CONFIG_HPP
