#include "daemon/base/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace wiremill {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::Usage: return "usage";
    case ErrorCode::Config: return "config";
    case ErrorCode::Malformed: return "malformed";
    case ErrorCode::TooLarge: return "too_large";
    case ErrorCode::NotFound: return "not_found";
    case ErrorCode::Unsupported: return "unsupported";
    case ErrorCode::Unavailable: return "unavailable";
    case ErrorCode::Busy: return "busy";
    case ErrorCode::Io: return "io";
    case ErrorCode::NoSpace: return "no_space";
    case ErrorCode::Damaged: return "damaged";
    case ErrorCode::Locked: return "locked";
    case ErrorCode::Internal: return "internal";
  }
  return "internal";
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::Usage: return 64;
    case ErrorCode::Malformed:
    case ErrorCode::TooLarge:
    case ErrorCode::Unsupported: return 65;
    case ErrorCode::Unavailable:
    case ErrorCode::Busy: return 69;
    case ErrorCode::NotFound:
    case ErrorCode::Io:
    case ErrorCode::NoSpace:
    case ErrorCode::Damaged:
    case ErrorCode::Locked: return 74;
    case ErrorCode::Config: return 78;
    case ErrorCode::Internal: return 70;
  }
  return 70;
}

tl::unexpected<Error> fail_errno(int errno_value, std::string_view did, std::string_view path) {
  const bool full = errno_value == ENOSPC || errno_value == EDQUOT;
  return fail(full ? ErrorCode::NoSpace : ErrorCode::Io, "{} {}: {}", did, path,
              std::strerror(errno_value));
}

void broken_invariant(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, expression);
  std::abort();
}

}  // namespace wiremill
