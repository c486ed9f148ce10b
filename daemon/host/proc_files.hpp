// What /proc says of processes: their memory, their threads, who is in a group. Figures are 0 where a
// process is gone. Stateless; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace wiremill {

// The size of its address space: it holds no more than that. Read in half the time that memory_bytes()
// takes (8 and 18 µs in the kernel).
int64_t address_bytes(pid_t process);
// Memory that it holds: anonymous, swapped out, and shared but for the `given_bytes` that it was given.
int64_t memory_bytes(pid_t process, int64_t given_bytes);
// The same, where each page counts by the share of it that is this process's. Takes milliseconds.
int64_t proportional_bytes(pid_t process, int64_t given_bytes);
uint32_t count_threads(pid_t process);
// Processor time of all its threads and of those processes that it waited for, to 10 ms.
int64_t cpu_ns_with_children(pid_t process);

// The processes of a group that have not ended. A look at every process of the machine.
std::vector<pid_t> group_members(pid_t group);
// Changes with each new process or thread of the machine.
std::string newest_process();

}  // namespace wiremill
