#include "cli/explanation.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "daemon/plugin/plugin.hpp"

namespace wiremill::cli {
namespace {

constexpr char kRemoved[] = "removed";

bool has_flag(const wm_option* row, std::string_view name) {
  for (; row != nullptr && row->name != nullptr; ++row)
    if (row->name == name && row->type == WM_OPTION_BOOL) return true;
  return false;
}

std::string text_of(const rapidjson::Value& entry, const char* name) {
  const auto member = entry.FindMember(name);
  if (member == entry.MemberEnd() || !member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

std::string shown(const rapidjson::Value& entry, const Style& style) {
  if (!entry.IsObject()) return {};
  const auto more = entry.FindMember("more");
  if (more != entry.MemberEnd() && more->value.IsUint64())
    return fmt::format("        - and {} more lines\n", more->value.GetUint64());
  const size_t width = std::max<size_t>(style.width(), 50) - 22;
  return fmt::format("        - {}  {}\n",
                     style.yellow(fmt::format("{:<10}", shortened(text_of(entry, "reason"), 10))),
                     shortened(text_of(entry, "line"), width));
}

}  // namespace

bool ask_for_explanations(std::vector<StageConfig>& stages,
                          const std::vector<std::string>& plugin_directories) {
  bool any = false;
  for (StageConfig& stage : stages) {
    const auto plugin = Plugin::load(stage.plugin, plugin_directories);
    if (!plugin || !has_flag((*plugin)->descriptor().options, "explain")) continue;
    std::erase_if(stage.options, [](const auto& option) { return option.first == "explain"; });
    stage.options.emplace_back("explain", OptionNode{"--explain", false, "true", {}});
    any = true;
  }
  return any;
}

std::string take_explanations(v1::Result& result, const Style& style) {
  std::string out;
  for (v1::Extension& extension : *result.mutable_extensions()) {
    rapidjson::Document json;
    json.Parse<rapidjson::kParseIterativeFlag>(extension.json().data(), extension.json().size());
    if (json.HasParseError() || !json.IsObject()) continue;
    const auto removed = json.FindMember(kRemoved);
    if (removed == json.MemberEnd() || !removed->value.IsArray()) continue;
    for (const rapidjson::Value& entry : removed->value.GetArray()) out += shown(entry, style);
    json.RemoveMember(removed);
    rapidjson::StringBuffer rest;
    rapidjson::Writer<rapidjson::StringBuffer> writer(rest);
    json.Accept(writer);
    extension.set_json(rest.GetString(), rest.GetSize());
  }
  return out;
}

}  // namespace wiremill::cli
