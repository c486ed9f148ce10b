#include "daemon/config/options.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "daemon/base/units.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace wiremill {
namespace {

constexpr size_t kOptionsMax = 256;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What the type wants to see, for messages; nullptr for a type that this host does not know.
const char* describe_type(uint32_t type) {
  switch (type) {
    case WM_OPTION_BOOL: return "true or false";
    case WM_OPTION_INTEGER: return "a whole number";
    case WM_OPTION_NUMBER: return "a number";
    case WM_OPTION_STRING: return "a single value";
    case WM_OPTION_STRINGS: return "a list, such as [a, b]";
    case WM_OPTION_DURATION: return "a duration with its unit, such as 250ms, 10s or 24h";
    case WM_OPTION_BYTES: return "a size with its unit, such as 64KiB or 10MiB";
    default: return nullptr;
  }
}

// Fills integer and number; nothing where the text is not of the type.
bool parse_scalar(uint32_t type, const std::string& text, wm_option_value& value) {
  std::optional<int64_t> integer;
  switch (type) {
    case WM_OPTION_BOOL:
      if (text == "true" || text == "false") integer = text == "true";
      break;
    case WM_OPTION_INTEGER: integer = parse_number<int64_t>(text); break;
    case WM_OPTION_DURATION: integer = parse_duration_ms(text); break;
    case WM_OPTION_BYTES: integer = parse_bytes(text); break;
    case WM_OPTION_NUMBER:
      if (const auto number = parse_number<double>(text); number && std::isfinite(*number)) {
        value.number = *number;
        return true;
      }
      return false;
    default: return true;
  }
  value.integer = integer.value_or(0);
  value.number = static_cast<double>(value.integer);
  return integer.has_value();
}

std::string format_bound(uint32_t type, double bound) {
  if (type == WM_OPTION_DURATION) return format_duration_ms(static_cast<int64_t>(bound));
  if (type == WM_OPTION_BYTES) return format_bytes(static_cast<int64_t>(bound));
  return fmt::format("{}", bound);
}

// The default as the plugin wrote it, in the shape of a written option.
std::optional<OptionNode> parse_default(const wm_option& row) {
  OptionNode node;
  if (row.type != WM_OPTION_STRINGS) {
    node.scalar = row.default_value;
    return node;
  }
  const auto tree = parse_yaml(row.default_value, "default");
  if (!tree || tree->kind != YamlNode::Kind::List) return std::nullopt;
  node.is_list = true;
  for (const YamlNode& item : tree->list) {
    if (item.kind != YamlNode::Kind::Scalar) return std::nullopt;
    node.list.push_back(item.scalar);
  }
  return node;
}

std::optional<std::string> find_fault(const wm_option& row, const OptionNode& node,
                                      wm_option_value& value) {
  if (node.is_list != (row.type == WM_OPTION_STRINGS))
    return fmt::format("must be {}", describe_type(row.type));
  if (!node.is_list && !parse_scalar(row.type, node.scalar, value))
    return fmt::format("must be {}, not '{}'", describe_type(row.type), node.scalar);
  const std::string range = option_range(row);
  if (!range.empty() && (value.number < row.minimum || value.number > row.maximum))
    return fmt::format("must be from {}, not {}", range, node.scalar);
  return std::nullopt;
}

wm_view view_of(const std::string& text) { return {text.data(), text.size()}; }

}  // namespace

ResolvedOptions resolve_options(const wm_option* table, const StageConfig& stage,
                                ConfigErrors& errors) {
  ResolvedOptions resolved;
  std::vector<std::string_view> known;
  for (const wm_option* row = table; row && row->name && known.size() < kOptionsMax; ++row)
    known.push_back(row->name);

  for (const auto& [name, node] : stage.options)
    if (std::find(known.begin(), known.end(), name) == known.end())
      errors.push_back({node.where, fmt::format("stage '{}': {}", stage.name,
                                                describe_unknown("option", name, known))});

  for (size_t i = 0; i < known.size(); ++i) {
    const wm_option& row = table[i];
    const auto refuse = [&](const std::string& where, std::string_view message) {
      errors.push_back(
          {where, fmt::format("stage '{}': option '{}' {}", stage.name, row.name, message)});
    };
    wm_option_value value{};
    value.name = {row.name, known[i].size()};
    value.type = row.type;
    const auto written = std::find_if(stage.options.begin(), stage.options.end(),
                                      [&](const auto& option) { return option.first == row.name; });
    const bool is_written = written != stage.options.end();
    const std::string& where = is_written ? written->second.where : stage.where;
    if (!describe_type(row.type)) {
      refuse(where, "has a type that this version does not know");
      continue;
    }
    if (!is_written && !row.default_value) {
      refuse(where, fmt::format("is required ({})", row.help ? row.help : ""));
      continue;
    }
    const auto node = is_written ? std::optional(written->second) : parse_default(row);
    const auto fault = node ? find_fault(row, *node, value) : "must be a list of values";
    if (fault) {
      refuse(where, is_written ? *fault : "has a broken default in the plugin: " + *fault);
      continue;
    }
    if (row.type == WM_OPTION_STRING)
      value.text = view_of(resolved.texts_.emplace_back(node->scalar));
    if (row.type == WM_OPTION_STRINGS) {
      std::vector<wm_view>& list = resolved.lists_.emplace_back();
      for (const std::string& item : node->list)
        list.push_back(view_of(resolved.texts_.emplace_back(item)));
      value.texts = list.data();
      value.texts_count = list.size();
    }
    resolved.values_.push_back(value);
  }
  return resolved;
}

std::string option_range(const wm_option& row) {
  const bool is_bounded = row.minimum < row.maximum && row.type != WM_OPTION_BOOL &&
                          row.type != WM_OPTION_STRING && row.type != WM_OPTION_STRINGS;
  if (!is_bounded) return "";
  return fmt::format("{} to {}", format_bound(row.type, row.minimum),
                     format_bound(row.type, row.maximum));
}

}  // namespace wiremill
