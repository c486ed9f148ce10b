// What may stand as a ZeroMQ endpoint in a configuration. Used by config.cpp and by the command
// line, whose endpoints obey the same rule. Any thread.
//
//   tcp://ADDRESS:PORT   ADDRESS is numeric (IPv6 in brackets) or *; PORT is 1 to 65535, or * for
//                        one that is free. Loopback only, unless unencrypted traffic is allowed.
//   ipc://PATH           a Unix socket; the path has at most 107 bytes
//   inproc://NAME        within one process
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/error.hpp"

namespace wiremill {

// Errors: Config, with a message that says what to write instead.
Status check_endpoint(std::string_view endpoint, bool allow_unencrypted);

// Whether both cannot be bound by one process at once.
bool endpoints_collide(std::string_view a, std::string_view b);

}  // namespace wiremill
