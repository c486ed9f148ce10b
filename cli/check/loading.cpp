// Whether the plugin loads at all, and what it makes of its options.
#include <cmath>
#include <limits>

#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"
#include "daemon/base/units.hpp"
#include "daemon/plugin/plugin_note.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kLongTextBytes = 10'000;
constexpr size_t kLongList = 1000;

OptionNode scalar(std::string text) { return {"--option", false, std::move(text), {}}; }
OptionNode list(std::vector<std::string> items) { return {"--option", true, {}, std::move(items)}; }

// As the option's type writes a number, so that it is read back the same.
std::string written(uint32_t type, double value) {
  if (type == WM_OPTION_DURATION) return fmt::format("{}ms", static_cast<int64_t>(value));
  if (type == WM_OPTION_BYTES) return fmt::format("{}", static_cast<int64_t>(value));
  if (type == WM_OPTION_INTEGER) return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

// What the table allows and people seldom write.
std::vector<OptionNode> allowed(const wm_option& row) {
  switch (row.type) {
    case WM_OPTION_BOOL: return {scalar("true"), scalar("false")};
    case WM_OPTION_STRING:
      return {scalar(""), scalar("?"), scalar("\u00fc\n\t"),
              scalar(std::string(kLongTextBytes, 'x'))};
    case WM_OPTION_STRINGS:
      return {list({}), list({""}), list({"?", "?"}),
              list(std::vector<std::string>(kLongList, "x"))};
    default:
      if (row.minimum < row.maximum)
        return {scalar(written(row.type, row.minimum)), scalar(written(row.type, row.maximum))};
      return {scalar(written(row.type, 0)), scalar(written(row.type, 1))};
  }
}

// What the host refuses for the plugin by its table: were it not so, create would see it.
std::vector<OptionNode> forbidden(const wm_option& row) {
  if (row.type == WM_OPTION_STRING) return {list({"a"})};
  if (row.type == WM_OPTION_STRINGS) return {scalar("a")};
  std::vector<OptionNode> values = {scalar("?"), list({"1"})};
  if (row.type != WM_OPTION_BOOL && row.minimum < row.maximum) {
    if (row.minimum > 0) values.push_back(scalar(written(row.type, row.minimum / 2 - 1)));
    values.push_back(scalar(written(row.type, row.maximum * 2 + 1)));
  }
  return values;
}

// Replaces the option of this name, or adds it.
void set_option(StageConfig& config, const char* name, OptionNode value) {
  for (auto& [known, node] : config.options)
    if (known == name) {
      node = std::move(value);
      return;
    }
  config.options.emplace_back(name, std::move(value));
}

bool host_refuses(const Subject& subject, const StageConfig& config) {
  ConfigErrors errors;
  (void)resolve_options(subject.descriptor().options, config, errors);
  return !errors.empty();
}

// Makes an instance of these options, or hears why not; what is made must work.
Status try_options(const Subject& subject, StageConfig config) {
  ConfigErrors errors;
  const ResolvedOptions options = resolve_options(subject.descriptor().options, config, errors);
  if (!errors.empty()) return red("the table refuses its own bounds: {}", errors.front().message);
  bool told_why = false;
  auto stage = WatchedStage::create(subject.plugin, options.data(), options.size(), HostAge::Today,
                                    &told_why);
  if (!stage) {
    if (told_why) return {};
    return red("create answered null without calling fail");
  }
  stage->reset();
  Subject with_options = subject;
  with_options.config = std::move(config);
  WM_CHECK_GET(trial, Trial::make(with_options));
  WM_CHECK_GET(answers, trial->run(articles(4), 4));
  return none_failed(answers);
}

}  // namespace

Result<std::string> check_loads(const Request& request) {
  WM_CHECK_GET(note, read_plugin_note(request.path));
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  trial.reset();
  return fmt::format("{} {}, ABI {}.{}", note.id, note.version, note.abi_major, note.abi_minor);
}

Result<std::string> check_options(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  StageConfig unknown = subject.config;
  set_option(unknown, "no_such_option", scalar("1"));
  if (!host_refuses(subject, unknown)) return red("an option that is not in the table is taken");
  size_t options = 0, values = 0;
  for (const wm_option* row = subject.descriptor().options; row && row->name; ++row, ++options) {
    for (OptionNode& value : forbidden(*row)) {
      StageConfig config = subject.config;
      set_option(config, row->name, value);
      if (!host_refuses(subject, config))
        return red("option '{}' may be '{}', which is not of its type or range", row->name,
                   value.scalar);
      ++values;
    }
    for (OptionNode& value : allowed(*row)) {
      const std::string shown = value.is_list ? fmt::format("a list of {}", value.list.size())
                                              : fmt::format("'{}'", value.scalar.substr(0, 40));
      note_doing(fmt::format("option '{}' is {}", row->name, shown));
      StageConfig config = subject.config;
      set_option(config, row->name, std::move(value));
      if (Status tried = try_options(subject, std::move(config)); !tried)
        return red("where option '{}' is {}: {}", row->name, shown, tried.error().message);
      ++values;
    }
  }
  return fmt::format("{} values of {} options", values, options);
}

}  // namespace wiremill::check
