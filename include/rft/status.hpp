/// @file
/// @brief Part of rft.hpp: what became of a call.
#ifndef RFT_STATUS_HPP
#define RFT_STATUS_HPP

#include <rft.h>

#include <rft/code.hpp>
#include <rft/exceptions.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace rft {
inline namespace v0 {

namespace detail {

template <auto Free> struct Freer {
    template <class T> void operator()(T *handle) const noexcept {
        Free(handle);
    }
};

template <class T, auto Free> using Owned = std::unique_ptr<T, Freer<Free>>;

} // namespace detail

/// What became of a call: ok, or a code with a message.
class [[nodiscard]] Status {
  public:
    /// Success.
    Status() noexcept = default;
    /// A code without an error object.
    explicit Status(Code code, std::uint64_t leader = 0, std::string why = {}) noexcept
        : code_(code), leader_(leader), why_(std::move(why)) {
    }
    /// What a call of rft.h gave. The error object is taken.
    Status(rft_status_t code, rft_error_t *error) noexcept
        : code_(static_cast<Code>(code)), leader_(error == nullptr ? 0 : rft_error_leader(error)),
          error_(error) {
    }

    /// Whether it is a success.
    bool ok() const noexcept {
        return code_ == Code::ok;
    }
    /// The code.
    Code code() const noexcept {
        return error_ == nullptr ? code_ : static_cast<Code>(rft_error_code(error_.get()));
    }
    /// What went wrong, with names and numbers. Valid as long as the status.
    const char *message() const noexcept {
        if (error_ != nullptr) {
            return rft_error_message(error_.get());
        }
        return why_.empty() ? describe(code_) : why_.c_str();
    }
    /// With Code::not_leader, the leader to ask; 0 when it is unknown.
    std::uint64_t leader() const noexcept {
        return leader_;
    }
    /// Whether the same call may succeed later and had no effect now.
    bool is_retryable() const noexcept {
        return error_ != nullptr ? rft_error_is_retryable(error_.get()) != 0 : rft::is_retryable(code_);
    }
    /// Whether what failed will never work again. False of a snapshot_wait that failed in an engine that goes
    /// on; the outcome of a snapshot does not tell that, Engine::status does.
    bool is_fatal() const noexcept {
        return error_ != nullptr ? rft_error_is_fatal(error_.get()) != 0 : rft::is_fatal(code_);
    }

  private:
    Code code_ = Code::ok;
    std::uint64_t leader_ = 0;
    std::string why_; // of an outcome that tells it
    detail::Owned<rft_error_t, rft_error_free> error_;
};

/// What Result::value() throws where there is no value: why, as the status tells it.
class Error : public std::runtime_error {
  public:
    /// Of a status that is no success.
    explicit Error(const Status &why)
        : std::runtime_error(why.message()), leader_(why.leader()), code_(why.code()),
          is_retryable_(why.is_retryable()), is_fatal_(why.is_fatal()) {
    }
    /// The code.
    Code code() const noexcept {
        return code_;
    }
    /// See Status::leader.
    std::uint64_t leader() const noexcept {
        return leader_;
    }
    /// See Status::is_retryable.
    bool is_retryable() const noexcept {
        return is_retryable_;
    }
    /// See Status::is_fatal.
    bool is_fatal() const noexcept {
        return is_fatal_;
    }

  private:
    std::uint64_t leader_;
    Code code_;
    bool is_retryable_;
    bool is_fatal_;
};

/// A value, or why there is none.
template <class T> class [[nodiscard]] Result {
  public:
    /// A value.
    Result(T value) : either_(std::in_place_index<0>, std::move(value)) {
    }
    /// Why there is none. A success without a value is Code::misuse.
    Result(Status status)
        : either_(std::in_place_index<1>, status.ok() ? Status(Code::misuse) : std::move(status)) {
    }

    /// Whether there is a value.
    bool ok() const noexcept {
        return either_.index() == 0;
    }
    /// Whether there is a value.
    explicit operator bool() const noexcept {
        return ok();
    }
    /// Why there is none; ok when there is one.
    const Status &status() const noexcept {
        static const Status fine;
        const Status *why = std::get_if<1>(&either_);
        return why == nullptr ? fine : *why;
    }
    /// Code::ok, or why there is none.
    Code code() const noexcept {
        return status().code();
    }
    /// The value. Without one it throws an rft::Error, or aborts where there are no exceptions.
    T &value() & {
        check();
        return **this;
    }
    /// The value, to look at.
    const T &value() const & {
        check();
        return **this;
    }
    /// The value, moved out.
    T value() && {
        return std::move(value());
    }
    /// The value, which must be there.
    T &operator*() noexcept {
        return *std::get_if<0>(&either_);
    }
    /// The value, which must be there.
    const T &operator*() const noexcept {
        return *std::get_if<0>(&either_);
    }
    /// The value, which must be there.
    T *operator->() noexcept {
        return std::get_if<0>(&either_);
    }
    /// The value, which must be there.
    const T *operator->() const noexcept {
        return std::get_if<0>(&either_);
    }

  private:
    void check() const {
        if (!ok()) {
            RFT_HPP_FAIL(Error(status()));
        }
    }

    std::variant<T, Status> either_;
};

/// Compares this header with the library that is loaded. What opens or creates something does it too.
inline Status check_version() noexcept {
    return Status(static_cast<Code>(rft_check_version()));
}

/// The loaded library's version as text.
inline const char *version() noexcept {
    return rft_version_string();
}

/// The loaded library's version as RFT_VERSION_NUMBER has it.
inline std::uint32_t version_number() noexcept {
    return rft_version_number();
}

/// The number of the loaded library's binary interface.
inline std::uint32_t abi_version() noexcept {
    return rft_abi_version();
}

} // namespace v0
} // namespace rft

#endif // RFT_STATUS_HPP
