#include "daemon/config/section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "daemon/base/units.hpp"
#include "daemon/config/suggestion.hpp"

namespace wiremill {

std::string Reading::where(const YamlNode& node) const {
  return format_place(file_name, node.line, node.column);
}

void Reading::error(const YamlNode& node, std::string message) {
  errors.push_back({where(node), std::move(message)});
}

void Reading::refuse_repeated(const YamlNode& map) {
  std::map<std::string_view, int> lines;
  for (const YamlEntry& entry : map.map)
    if (const auto [first, is_new] = lines.emplace(entry.key.scalar, entry.key.line); !is_new)
      error(entry.key,
            fmt::format("'{}' is given twice (first on line {})", entry.key.scalar, first->second));
}

Section::Section(Reading& reading, const YamlNode& node, std::string path)
    : reading_(reading), node_(node), path_(std::move(path)) {
  if (node.kind != YamlNode::Kind::Map && node.kind != YamlNode::Kind::Null)
    reading.error(
        node, fmt::format("{} must be a map of key: value", path_.empty() ? "the file" : name()));
  reading.refuse_repeated(node);
}

const YamlNode* Section::find(std::string_view key) {
  known_.push_back(key);
  for (const YamlEntry& entry : node_.map)
    if (entry.key.scalar == key) return &entry.value;
  return nullptr;
}

Section Section::section(std::string_view key) {
  static const YamlNode kAbsent;
  const YamlNode* value = find(key);
  return {reading_, value ? *value : kAbsent, fmt::format("{}{}.", path_, key)};
}

const std::string* Section::scalar(std::string_view key) {
  const YamlNode* value = find(key);
  if (!value) return nullptr;
  if (value->kind == YamlNode::Kind::Scalar) return &value->scalar;
  wrong(*value, key,
        value->kind == YamlNode::Kind::Null ? "has no value" : "must be a single value");
  return nullptr;
}

const YamlNode& Section::place(std::string_view key) {
  const YamlNode* value = find(key);
  return value ? *value : node_;
}

template <class Parse, class Format>
std::optional<int64_t> Section::number(std::string_view key, int64_t minimum, int64_t maximum,
                                       Parse parse, std::string_view form, Format format) {
  const std::string* text = scalar(key);
  if (!text) return std::nullopt;
  const std::optional<int64_t> value = parse(*text);
  if (!value) {
    wrong(*find(key), key, fmt::format("must be {}, not '{}'", form, *text));
    return std::nullopt;
  }
  if (*value < minimum || *value > maximum) {
    wrong(*find(key), key,
          fmt::format("must be from {} to {}, not {}", format(minimum), format(maximum), *text));
    return std::nullopt;
  }
  return value;
}

void Section::flag(std::string_view key, bool& out) {
  const std::string* text = scalar(key);
  if (!text) return;
  if (*text != "true" && *text != "false")
    return wrong(*find(key), key, fmt::format("must be true or false, not '{}'", *text));
  out = *text == "true";
}

std::optional<int64_t> Section::whole_number(std::string_view key, int64_t minimum,
                                             int64_t maximum) {
  const auto parse = [](std::string_view text) -> std::optional<int64_t> {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  return number(key, minimum, maximum, parse, "a whole number such as 32",
                [](int64_t value) { return std::to_string(value); });
}

void Section::bytes(std::string_view key, int64_t& out, int64_t minimum, int64_t maximum) {
  out = number(key, minimum, maximum, parse_bytes, "a size with its unit, such as 64KiB or 10MiB",
               format_bytes)
            .value_or(out);
}

void Section::duration(std::string_view key, int64_t& out, int64_t minimum, int64_t maximum) {
  out = number(key, minimum, maximum, parse_duration_ms,
               "a duration with its unit, such as 250ms, 10s or 24h", format_duration_ms)
            .value_or(out);
}

void Section::choice(std::string_view key, std::string& out,
                     const std::vector<std::string_view>& choices) {
  const std::string* text = scalar(key);
  if (!text) return;
  if (std::find(choices.begin(), choices.end(), *text) == choices.end())
    return wrong(*find(key), key, describe_unknown("value", *text, choices));
  out = *text;
}

void Section::wrong(const YamlNode& node, std::string_view key, std::string_view message) {
  reading_.error(node, fmt::format("{}{}: {}", path_, key, message));
}

void Section::refuse_unknown() {
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
  for (const YamlEntry& entry : node_.map)
    if (!std::binary_search(known_.begin(), known_.end(), entry.key.scalar))
      reading_.error(entry.key, describe_unknown(path_.empty() ? "key" : "key in " + name(),
                                                 entry.key.scalar, known_));
}

}  // namespace wiremill
