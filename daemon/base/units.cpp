#include "daemon/base/units.hpp"

#include <charconv>
#include <limits>
#include <span>
#include <utility>

namespace wiremill {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

// From large to small within what format_* may choose.
constexpr Unit kByteUnits[] = {{"TiB", int64_t{1} << 40},
                               {"GiB", 1 << 30},
                               {"MiB", 1 << 20},
                               {"KiB", 1 << 10},
                               {"B", 1},
                               {"", 1},
                               {"KB", 1000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000}};
constexpr Unit kTimeUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

std::optional<int64_t> parse(std::string_view text, std::span<const Unit> units) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  if (number == 0 && suffix.empty()) return 0;
  for (const Unit& unit : units) {
    if (unit.name != suffix) continue;
    if (number > std::numeric_limits<int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

std::string format(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (value != 0 && value % unit.factor == 0)
      return std::to_string(value / unit.factor).append(unit.name);
  return "0";
}

}  // namespace

std::optional<int64_t> parse_bytes(std::string_view text) { return parse(text, kByteUnits); }
std::optional<int64_t> parse_duration_ms(std::string_view text) { return parse(text, kTimeUnits); }
std::string format_bytes(int64_t bytes) { return format(bytes, kByteUnits); }
std::string format_duration_ms(int64_t duration) { return format(duration, kTimeUnits); }

}  // namespace wiremill
