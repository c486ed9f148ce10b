// wiremill/testing_options.hpp: the options of a stage on test, for MockHost (testing.hpp): those that the
// test gives, and the table's defaults for the rest, as the daemon would hand them over.
#ifndef WIREMILL_TESTING_OPTIONS_HPP_
#define WIREMILL_TESTING_OPTIONS_HPP_

#include <wiremill/stage.hpp>

#include <charconv>
#include <cstdlib>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wiremill::testing {

using OptionValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

namespace detail {

// A number with its unit, as option tables write durations and sizes, in milliseconds or bytes.
inline int64_t parse_quantity(std::string_view text) {
  static const std::map<std::string_view, int64_t> kUnits = {
      {"", 1},           {"ms", 1}, {"s", 1000},      {"m", 60'000},    {"h", 3600'000},
      {"d", 86'400'000}, {"B", 1},  {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) throw std::invalid_argument("no quantity: " + std::string(text));
  return number * kUnits.at(text.substr(static_cast<size_t>(end - text.data())));
}

// "[a, b]" of plain words.
inline std::vector<std::string> parse_list(std::string_view text) {
  std::vector<std::string> list;
  std::string word;
  for (const char c : text) {
    if (c != '[' && c != ']' && c != ',' && c != ' ') {
      word += c;
    } else if (!word.empty()) {
      list.push_back(std::move(word));
      word.clear();
    }
  }
  return list;
}

inline OptionValue parse_default(const wm_option& row) {
  if (!row.default_value)
    throw std::invalid_argument(std::string("option '") + row.name + "' is required");
  const std::string text = row.default_value;
  switch (row.type) {
    case WM_OPTION_BOOL: return text == "true";
    case WM_OPTION_NUMBER: return std::strtod(text.c_str(), nullptr);
    case WM_OPTION_STRING: return text;
    case WM_OPTION_STRINGS: return parse_list(text);
    default: return parse_quantity(text);
  }
}

// A value for each row of a table. The values point into it and into what was given.
class ResolvedOptions {
 public:
  // Throws std::invalid_argument where the table knows no such option, or requires one.
  ResolvedOptions(const wm_option* table, const std::map<std::string, OptionValue>& options) {
    size_t used = 0;
    for (const wm_option* row = table; row && row->name; ++row) {
      const auto given = options.find(row->name);
      used += given != options.end();
      add(*row, owned_.emplace_back(given == options.end() ? parse_default(*row) : given->second));
    }
    if (used != options.size()) throw std::invalid_argument("an option that is not in the table");
  }
  ResolvedOptions(const ResolvedOptions&) = delete;
  ResolvedOptions& operator=(const ResolvedOptions&) = delete;

  const std::vector<wm_option_value>& values() const { return values_; }

 private:
  void add(const wm_option& row, const OptionValue& value) {
    wm_option_value raw{};
    raw.name = to_view(row.name);
    raw.type = row.type;
    if (const auto* flag = std::get_if<bool>(&value)) raw.integer = *flag;
    if (const auto* integer = std::get_if<int64_t>(&value)) raw.integer = *integer;
    raw.number = static_cast<double>(raw.integer);
    if (const auto* number = std::get_if<double>(&value)) raw.number = *number;
    if (const auto* text = std::get_if<std::string>(&value)) raw.text = to_view(*text);
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      std::vector<wm_view>& list = lists_.emplace_back();
      for (const std::string& text : *texts) list.push_back(to_view(text));
      raw.texts = list.data();
      raw.texts_count = list.size();
    }
    values_.push_back(raw);
  }

  std::deque<OptionValue> owned_;
  std::deque<std::vector<wm_view>> lists_;
  std::vector<wm_option_value> values_;
};

}  // namespace detail
}  // namespace wiremill::testing

#endif  // WIREMILL_TESTING_OPTIONS_HPP_
