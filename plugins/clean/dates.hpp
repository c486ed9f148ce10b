// Dates in machine and in human form. Used by the metadata and the text mode. Any thread.
//
// Never an invented date: a form that can be read in two ways ("04/05/2023") or that lacks the year
// is none. Without a zone a time counts as UTC, without a time a date is its midnight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

struct FoundDate {
  int64_t at_us = 0;          // since 1970-01-01T00:00:00Z
  size_t begin = 0, end = 0;  // where it stood in the text
  bool has_time = false;
};

// The first full date (with its time and zone, where they follow) in `text`: ISO 8601, RFC 5322,
// "April 26, 2023 22:16", "26 April 2023", "2023/04/28 15:20", "28.04.2023", "2023年4月28日", with
// month names in a dozen European languages. Looks at the first 400 bytes. Years 1900 to 2100.
std::optional<FoundDate> find_date(std::string_view text);

// False where no date is in a line of this shape: each has a year of four digits.
inline bool may_hold_date(const Shape& shape) { return shape.digits >= 4; }

}  // namespace wiremill::clean
