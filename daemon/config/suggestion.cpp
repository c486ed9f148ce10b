#include "daemon/config/suggestion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace wiremill {
namespace {

// Names longer than this are nobody's slip of the pen, and stay out of the quadratic distance.
constexpr size_t kNameBytesMax = 64;

// Levenshtein's, with a swap of neighbours as one step.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row[b.size()];
}

// At most kNameBytesMax bytes of it, no character cut.
std::string_view beginning(std::string_view name) {
  size_t size = std::min(name.size(), kNameBytesMax);
  while (size > 0 && size < name.size() && (static_cast<unsigned char>(name[size]) & 0xc0) == 0x80)
    --size;
  return name.substr(0, size);
}

}  // namespace

std::string describe_unknown(std::string_view what, std::string_view name,
                             const std::vector<std::string_view>& known) {
  std::string_view nearest;
  size_t least = std::max<size_t>(1, name.size() / 3) + 1;
  if (name.size() <= kNameBytesMax) {
    for (const std::string_view candidate : known) {
      const size_t steps = distance(name, candidate);
      if (steps < least) std::tie(least, nearest) = std::pair(steps, candidate);
    }
  }
  const std::string_view shown = beginning(name);
  if (!nearest.empty())
    return fmt::format("unknown {} '{}'; did you mean '{}'?", what, shown, nearest);
  if (known.empty()) return fmt::format("unknown {} '{}'; there are none", what, shown);
  return fmt::format("unknown {} '{}'; known: {}", what, shown, fmt::join(known, ", "));
}

}  // namespace wiremill
