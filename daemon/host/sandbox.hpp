// What a stage's own process may do of the kernel's: compute, hold memory, make threads, read files.
#pragma once

#include "daemon/base/error.hpp"

namespace wiremill {

// For the calling process and what it becomes, for good: no new privileges, no core dumps, 64 MiB a
// written file. All that a program can be held to (docs/external-stage.md). Errors: Io.
Status enter_limits();

// The same and more, before it has threads. Writing to files, sockets, other
// processes and privileges are refused (EPERM); a new process (fork, exec) ends this one (SIGSYS), for
// nothing sensible follows where it fails. Errors: Io.
Status enter_sandbox();

}  // namespace wiremill
