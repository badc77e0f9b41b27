/// @file
/// @brief Part of rft.hpp: containing what callbacks throw, also where nothing can be thrown.
#ifndef RFT_EXCEPTIONS_HPP
#define RFT_EXCEPTIONS_HPP

#if defined(__cpp_exceptions)
#include <stdexcept>
#define RFT_HPP_TRY try
#define RFT_HPP_CATCH catch (...)
#define RFT_HPP_FAIL(text) throw std::runtime_error(text)
#else
#include <cstdlib>
#define RFT_HPP_TRY if (true)
#define RFT_HPP_CATCH else
#define RFT_HPP_FAIL(text) std::abort()
#endif

#endif // RFT_EXCEPTIONS_HPP
