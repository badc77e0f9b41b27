/// @file
/// @brief Part of rft.hpp: what the library lends: bytes, entries, messages.
#ifndef RFT_VIEW_HPP
#define RFT_VIEW_HPP

#include <rft.h>

#include <rft/code.hpp>
#include <rft/status.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rft {
inline namespace v0 {

/// Bytes that somebody else owns.
class Bytes {
  public:
    /// None.
    constexpr Bytes() noexcept = default;
    /// `size` bytes from `data` on.
    Bytes(const void *data, std::size_t size) noexcept
        : data_(static_cast<const std::uint8_t *>(data)), size_(size) {
    }
    /// A text that ends with NUL, without it; none where it is null.
    Bytes(const char *text) noexcept : Bytes(text == nullptr ? std::string_view() : std::string_view(text)) {
    }
    /// Anything with data() and size() whose elements are bytes.
    template <class C, class E = std::remove_pointer_t<decltype(std::declval<const C &>().data())>,
              std::enable_if_t<sizeof(E) == 1 && !std::is_same_v<C, Bytes>, int> = 0>
    Bytes(const C &container) noexcept : Bytes(container.data(), container.size()) {
    }

    /// The first; may be null when there are none.
    const std::uint8_t *data() const noexcept {
        return data_;
    }
    /// How many there are.
    std::size_t size() const noexcept {
        return size_;
    }
    /// Whether there are none.
    bool empty() const noexcept {
        return size_ == 0;
    }
    /// The same bytes as text.
    std::string_view text() const noexcept {
        return {reinterpret_cast<const char *>(data_), size_};
    }
    /// A copy.
    std::vector<std::uint8_t> copy() const {
        return empty() ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(data_, data_ + size_);
    }
    /// As C has it.
    rft_bytes_t c_bytes() const noexcept {
        return {data_, size_};
    }

  private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

/// Elements that the library lends. T wraps a struct of rft.h, which it names T::Raw.
template <class T> class Span {
  public:
    /// Goes through the elements.
    class Iterator {
      public:
        /// What it gives is made anew each time, so that it is an input iterator and no more.
        using iterator_category = std::input_iterator_tag;
        using value_type = T;                   ///< The wrapped element.
        using difference_type = std::ptrdiff_t; ///< Between two places.
        using pointer = const T *;              ///< Of no use here.
        using reference = T;                    ///< What `*` gives.

        /// At an element.
        explicit Iterator(const typename T::Raw *at) noexcept : at_(at) {
        }
        /// The element.
        T operator*() const noexcept {
            return T(*at_);
        }
        /// To the next one.
        Iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        /// To the next one; gives where it was.
        Iterator operator++(int) noexcept {
            return Iterator(at_++);
        }
        /// Whether it is at the same element.
        bool operator==(const Iterator &other) const noexcept {
            return at_ == other.at_;
        }
        /// Whether it is at another element.
        bool operator!=(const Iterator &other) const noexcept {
            return at_ != other.at_;
        }

      private:
        const typename T::Raw *at_;
    };

    /// `size` elements from `data` on.
    Span(const typename T::Raw *data, std::size_t size) noexcept : data_(data), size_(size) {
    }
    /// How many there are.
    std::size_t size() const noexcept {
        return size_;
    }
    /// Whether there are none.
    bool empty() const noexcept {
        return size_ == 0;
    }
    /// An element; `at` is less than size().
    T operator[](std::size_t at) const noexcept {
        return T(data_[at]);
    }
    /// The first one.
    Iterator begin() const noexcept {
        return Iterator(data_);
    }
    /// Behind the last one.
    Iterator end() const noexcept {
        return Iterator(size_ == 0 ? data_ : data_ + size_);
    }

  private:
    const typename T::Raw *data_;
    std::size_t size_;
};

/// An entry of the log, lent.
class Entry {
  public:
    /// What it wraps.
    using Raw = rft_entry_t;
    /// Wraps one.
    explicit Entry(const Raw &raw) noexcept : raw_(&raw) {
    }
    /// Its place in the log.
    std::uint64_t index() const noexcept {
        return raw_->index;
    }
    /// The term of the leader that appended it.
    std::uint64_t term() const noexcept {
        return raw_->term;
    }
    /// What it is.
    EntryType type() const noexcept {
        return static_cast<EntryType>(raw_->type);
    }
    /// The payload, or the context of a membership change.
    Bytes data() const noexcept {
        return {raw_->data, raw_->len};
    }
    /// Answers whoever proposed it, with bytes that are copied. Only inside of `apply`.
    Status answer(Bytes bytes) const noexcept {
        rft_error_t *error = nullptr;
        const rft_status_t status = rft_answer_set(raw_->answer, bytes.data(), bytes.size(), &error);
        return {status, error};
    }

  private:
    const Raw *raw_;
};

/// A message to a peer, lent.
class Message {
  public:
    /// What it wraps.
    using Raw = rft_message_t;
    /// Wraps one.
    explicit Message(const Raw &raw) noexcept : raw_(&raw) {
    }
    /// The receiver's id.
    std::uint64_t to() const noexcept {
        return raw_->to;
    }
    /// etcd's number of its kind; 7 is MsgSnap.
    std::int32_t type() const noexcept {
        return raw_->type;
    }
    /// The encoded message.
    Bytes data() const noexcept {
        return {raw_->data, raw_->len};
    }

  private:
    const Raw *raw_;
};

/// A read that may be answered, lent.
class Read {
  public:
    /// What it wraps.
    using Raw = rft_read_t;
    /// Wraps one.
    explicit Read(const Raw &raw) noexcept : raw_(&raw) {
    }
    /// An entry that the state machine has to have applied first.
    std::uint64_t index() const noexcept {
        return raw_->index;
    }
    /// The number given to Node::read_index.
    std::uint64_t request() const noexcept {
        return raw_->request;
    }

  private:
    const Raw *raw_;
};

/// The state machine at one entry, lent.
struct Snapshot {
    std::uint64_t index; ///< The last entry it covers.
    std::uint64_t term;  ///< That entry's term.
    Bytes data;          ///< The bytes given to Node::snapshot.
};

} // namespace v0
} // namespace rft

#endif // RFT_VIEW_HPP
