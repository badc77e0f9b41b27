/// @file
/// @brief Part of rft.hpp: throwing, and containing what callbacks throw, also where nothing can be thrown.
#ifndef RFT_EXCEPTIONS_HPP
#define RFT_EXCEPTIONS_HPP

#include <string>

#if defined(__cpp_exceptions)
#include <exception>
#define RFT_HPP_TRY try
#define RFT_HPP_CATCH catch (...)
#define RFT_HPP_FAIL(error) throw error
#else
#include <cstdlib>
#define RFT_HPP_TRY if (true)
#define RFT_HPP_CATCH else
#define RFT_HPP_FAIL(error) std::abort()
#endif

namespace rft {
inline namespace v0 {

namespace detail {

/// What is being thrown, in words; only inside of RFT_HPP_CATCH.
inline std::string current_exception() {
#if defined(__cpp_exceptions)
    try {
        throw;
    } catch (const std::exception &error) {
        return error.what();
    } catch (...) {
    }
#endif
    return "what is no std::exception";
}

} // namespace detail

} // namespace v0
} // namespace rft

#endif // RFT_EXCEPTIONS_HPP
