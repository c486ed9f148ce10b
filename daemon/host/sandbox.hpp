// What a stage's own process may do of the kernel's. For the calling process, before it has threads, and
// what it becomes or starts, for good: no new privileges, no core dumps, 64 MiB a written file, and
// never another process group, so that all of them end together.
#pragma once

#include "daemon/base/error.hpp"

namespace wiremill {

// For a plugin: compute, hold memory, make threads, read files. Writing to files, sockets, other processes
// and privileges are refused (EPERM); exec, and without `may_fork` a new process, ends it (SIGSYS), for
// nothing sensible follows where it fails. Errors: Io.
Status enter_sandbox(bool may_fork);

// For what becomes a program (docs/external-stage.md): without `may_fork` a new process is refused (EPERM).
// Errors: Io.
Status enter_program_sandbox(bool may_fork);

}  // namespace wiremill
