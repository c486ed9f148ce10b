// Wall-clock time as the rest of Wiremill counts it: microseconds since 1970-01-01T00:00:00Z, and
// its written form; and the time that stages are measured by. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wiremill {

int64_t now_us();

// CLOCK_MONOTONIC: the same in every process of the machine, since it was started.
int64_t monotonic_ns();

// "2023-04-28T15:20:00Z"; a fraction is printed only where there is one. Years 0001 to 9999.
std::string format_time(int64_t time_us);

// RFC 3339 with any offset, to the microsecond; also a bare date, and a blank for the T. Nothing
// else: nullopt.
std::optional<int64_t> parse_time(std::string_view text);

}  // namespace wiremill
