// `wiremill plugin check`'s conformance kit: runs the checks one after the other. Main thread of a
// process that has no other.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/check/checks.hpp"

namespace wiremill::check {

struct Finding {
  const Check* check = nullptr;
  enum class Outcome { Passed, Failed, NotRun } outcome = Outcome::NotRun;
  std::string detail;
  std::string words;  // the last that the plugin wrote, where it failed
  double seconds = 0;
};

// Those of these names, all where there is none; `fuzz` only where there is time for it. Errors:
// Usage, an unknown name.
Result<std::vector<const Check*>> choose_checks(const std::vector<std::string>& names, bool fuzz);

// Runs them, after the one that says whether the plugin loads at all; where it does not, the others
// are NotRun. `found` hears each when it is done, `go_on` is asked ten times a second. A document
// that fuzzing fails by goes to a file in the working folder, named in the finding.
std::vector<Finding> run_checks(const Request& request, const std::vector<const Check*>& checks,
                                const std::function<void(const Finding&)>& found,
                                const std::function<bool()>& go_on);

}  // namespace wiremill::check
