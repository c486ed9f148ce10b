// The memory that the plugin asks for: counted, and refused once where a check says so. It stands in
// for malloc and its kin in the whole program, which go on to the C library's; outside a check they
// cost a look at a thread's variable. Where a sanitizer has the allocator, there is nothing to see here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace wiremill::check {

// Whether this build can.
bool allocations_are_watched();

// While one lives, what the calling thread allocates is the plugin's; OutsidePlugin takes that back,
// for the host's functions. They nest.
class InsidePlugin {
 public:
  InsidePlugin();
  ~InsidePlugin();
  InsidePlugin(const InsidePlugin&) = delete;
  InsidePlugin& operator=(const InsidePlugin&) = delete;

 private:
  const bool before_;
};
class OutsidePlugin {
 public:
  OutsidePlugin();
  ~OutsidePlugin();
  OutsidePlugin(const OutsidePlugin&) = delete;
  OutsidePlugin& operator=(const OutsidePlugin&) = delete;

 private:
  const bool before_;
};

// Whose allocations may fail: this plugin's, and the C and C++ libraries' on its behalf. Other
// libraries that it brought along are left alone, for many end the process and no author can mend them.
void fail_only_in(const std::string& plugin_path);
// The n-th of them from now on fails, on whatever thread; 0: none does.
void fail_allocation(uint64_t nth);
// How many there were since fail_allocation.
uint64_t allocations_made();

// From now on what the plugin allocates is known again when it is freed.
void track_memory();
// Bytes that it allocated since and has not freed.
int64_t bytes_held();

}  // namespace wiremill::check
