// Result and Error: how an operation that can fail says so. Used by every room; knows none.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace wiremill {

// Kept small: the values are also metric labels.
enum class ErrorCode {
  Usage,      // the command line is wrong
  Config,     // the configuration is wrong
  Malformed,  // data from outside that cannot be read
  TooLarge,   // over a limit
  NotFound,
  Unsupported,
  Unavailable,  // a peer or a port; try again later
  Busy,         // a bounded queue is full
  Io,           // a file or a socket failed
  NoSpace,      // the disk is full; goes on by itself once it is not
  Damaged,      // stored data whose checksum or shape is wrong
  Locked,       // another process holds it
  Internal,
};

std::string_view error_code_name(ErrorCode code);

// sysexits(3): 64 usage, 65 bad data, 69 unavailable, 70 internal, 74 I/O, 78 configuration.
int exit_code(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// An Io error, or NoSpace, that names what was done to which path and what errno said.
tl::unexpected<Error> fail_errno(int errno_value, std::string_view did, std::string_view path);

// A broken invariant: says where and aborts, in release builds too.
[[noreturn]] void broken_invariant(const char* expression, const char* file, int line);

}  // namespace wiremill

#define WM_INVARIANT(expression) \
  ((expression) ? (void)0 : ::wiremill::broken_invariant(#expression, __FILE__, __LINE__))

// Gives up the enclosing function with the error of `expression`. A Result that has a name stays as it
// is, and is not copied; it must not be a reference into a temporary object.
#define WM_TRY(expression)                                                                        \
  do {                                                                                            \
    if (auto&& wm_try_ = (expression); !wm_try_)                                                  \
      return tl::unexpected<::wiremill::Error>(std::forward<decltype(wm_try_)>(wm_try_).error()); \
  } while (false)
