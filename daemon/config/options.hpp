// A stage's options as written, typed by the plugin's own table. Called by the plugin room after
// loading and by `wiremill validate`; any thread.
#pragma once

#include <wiremill/plugin.h>

#include <deque>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"

namespace wiremill {

// Owns what the values point to, except for their names, which are the table's. Moves keep every
// pointer valid.
class ResolvedOptions {
 public:
  ResolvedOptions() = default;
  ResolvedOptions(ResolvedOptions&&) = default;
  ResolvedOptions& operator=(ResolvedOptions&&) = default;
  ResolvedOptions(const ResolvedOptions&) = delete;
  ResolvedOptions& operator=(const ResolvedOptions&) = delete;

  // For wm_descriptor.create: one value for each row, in the table's order.
  const wm_option_value* data() const { return values_.data(); }
  size_t size() const { return values_.size(); }

 private:
  friend ResolvedOptions resolve_options(const wm_option* table, const StageConfig& stage,
                                         ConfigErrors& errors);
  std::vector<wm_option_value> values_;
  std::deque<std::string> texts_;
  std::deque<std::vector<wm_view>> lists_;
};

// `table` ends with a row whose name is null, or is null itself: no options. Appends to `errors`
// what is wrong: an unknown option, a wrong type, a value out of range, a required one missing, a
// broken table. The result is of use only where nothing was appended.
ResolvedOptions resolve_options(const wm_option* table, const StageConfig& stage,
                                ConfigErrors& errors);

// The bounds of a row's values as people write them, "1 to 2000", "1s to 7d"; "" where it has none.
std::string option_range(const wm_option& row);

}  // namespace wiremill
