// Runs the kit, prints a line for each check as it is done, or one JSON object at the end.
#include "cli/plugin_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/check/kit.hpp"
#include "cli/terminal.hpp"
#include "daemon/base/units.hpp"
#include "daemon/config/yaml_tree.hpp"
#include "daemon/document/result_json.hpp"

namespace wiremill::cli {
namespace {

using check::Finding;

constexpr size_t kDetailColumnsMax = 600;
constexpr size_t kHelpColumns = 90;
constexpr int kWordsLines = 8;  // of the last words, for a person

struct CheckOptions {
  std::string plugin, directory;
  std::vector<std::string> options, only;
  std::string format = "text";
  std::string deadline = "10s";
  int64_t fuzz_seconds = 0;
  bool brief = false;
};

int failed(const Error& error) {
  print_error(error.message);
  return wiremill::exit_code(error.code);
}

// NAME=VALUE, the value as in YAML.
Result<std::pair<std::string, OptionNode>> parse_option(const std::string& written) {
  const size_t equals = written.find('=');
  if (equals == 0 || equals == std::string::npos)
    return fail(ErrorCode::Usage, "--option {}: NAME=VALUE is wanted", written);
  const std::string name = written.substr(0, equals);
  const auto tree = parse_yaml(written.substr(equals + 1), "--option " + name);
  if (!tree) return fail(ErrorCode::Usage, "{}: {}", tree.error().where, tree.error().message);
  OptionNode node;
  node.where = "--option " + name;
  node.is_list = tree->kind == YamlNode::Kind::List;
  node.scalar = tree->scalar;
  for (const YamlNode& item : tree->list) node.list.push_back(item.scalar);
  if (tree->kind == YamlNode::Kind::Map)
    return fail(ErrorCode::Usage, "--option {}: a value or a list is wanted", name);
  return std::pair(name, node);
}

// The last lines of what a plugin wrote.
std::string last_lines(const std::string& words) {
  std::vector<std::string> lines;
  for (size_t from = 0; from < words.size();) {
    const size_t end = std::min(words.find('\n', from), words.size());
    if (end > from) lines.push_back(shortened(words.substr(from, end - from), kDetailColumnsMax));
    from = end + 1;
  }
  std::string out;
  const size_t first = lines.size() - std::min<size_t>(lines.size(), kWordsLines);
  for (size_t i = first; i < lines.size(); ++i) out += "          " + lines[i] + "\n";
  return out;
}

std::string as_text(const Finding& finding, const Style& style) {
  const std::string detail = shortened(finding.detail, kDetailColumnsMax);
  const std::string name(finding.check->name);
  switch (finding.outcome) {
    case Finding::Outcome::Passed:
      return fmt::format("{}      {:<13} {} {}\n", style.green("ok"), name, detail,
                         style.dim(fmt::format("{:.1f} s", finding.seconds)));
    case Finding::Outcome::NotRun:
      return fmt::format("{} {:<13} {}\n", style.yellow("not run"), name, detail);
    case Finding::Outcome::Failed: break;
  }
  std::string out =
      fmt::format("{}  {}: {}\n        rule: {}\n        mend: {}\n", style.red("FAILED"),
                  style.bold(name), detail, finding.check->rule, finding.check->mend);
  if (!finding.words.empty()) out += "        its last words:\n" + last_lines(finding.words);
  return out;
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

// "passed" is null for what was not run.
std::string as_json(const std::string& path, const std::vector<Finding>& findings, bool passed) {
  std::string out =
      fmt::format(R"({{"plugin":{},"passed":{},"checks":[)", json_string(path), passed);
  for (const Finding& finding : findings) {
    const bool is_red = finding.outcome == Finding::Outcome::Failed;
    out += fmt::format(R"({}{{"name":{},"passed":{},"detail":{},"seconds":{:.3f})",
                       &finding == findings.data() ? "" : ",", json_string(finding.check->name),
                       is_red                                        ? "false"
                       : finding.outcome == Finding::Outcome::Passed ? "true"
                                                                     : "null",
                       json_string(finding.detail), finding.seconds);
    if (is_red)
      out +=
          fmt::format(R"(,"rule":{},"mend":{},"last_words":{})", json_string(finding.check->rule),
                      json_string(finding.check->mend), json_string(finding.words));
    out += "}";
  }
  return out + "]}\n";
}

std::string summary(const std::vector<Finding>& findings, const Style& style) {
  const auto count = [&](Finding::Outcome outcome) {
    return std::ranges::count(findings, outcome, &Finding::outcome);
  };
  const auto passed = count(Finding::Outcome::Passed), red = count(Finding::Outcome::Failed);
  std::string out = fmt::format("{} passed, ", passed);
  out += red == 0 ? "none failed" : style.red(fmt::format("{} failed", red));
  if (const auto not_run = count(Finding::Outcome::NotRun); not_run > 0)
    out += fmt::format(", {} not run", not_run);
  return out + "\n";
}

Result<check::Request> read_request(const CheckOptions& options) {
  check::Request request;
  const bool is_file =
      options.plugin.ends_with(".so") && options.plugin.find('/') == std::string::npos;
  auto path = find_plugin(is_file ? "./" + options.plugin : options.plugin, {options.directory});
  if (!path) return tl::unexpected(std::move(path).error());
  request.path = std::move(*path);
  for (const std::string& written : options.options) {
    auto option = parse_option(written);
    if (!option) return tl::unexpected(std::move(option).error());
    request.options.push_back(std::move(*option));
  }
  const auto deadline_ms = parse_duration_ms(options.deadline);
  if (!deadline_ms || *deadline_ms <= 0)
    return fail(ErrorCode::Usage, "--deadline {}: a duration such as 500ms or 10s is wanted",
                options.deadline);
  request.deadline_ms = *deadline_ms;
  request.fuzz_ms = options.fuzz_seconds * 1000;
  request.brief = options.brief;
  return request;
}

int run_check(const CheckOptions& options) {
  const auto request = read_request(options);
  if (!request) return failed(request.error());
  const auto checks = check::choose_checks(options.only, options.fuzz_seconds > 0);
  if (!checks) return failed(checks.error());
  const Style style;
  const bool is_text = options.format == "text";
  Progress progress("checking", checks->size());
  size_t done = 0;
  Status written;
  const auto found = [&](const Finding& finding) {
    ++done;
    if (is_text && written) written = write_out(as_text(finding, style));
  };
  const auto go_on = [&] {
    progress.update(done);
    return !interrupted() && written.has_value();
  };
  const std::vector<Finding> findings = check::run_checks(*request, *checks, found, go_on);
  const bool passed = std::ranges::all_of(
      findings, [](const Finding& finding) { return finding.outcome == Finding::Outcome::Passed; });
  if (written)
    written =
        write_out(is_text ? summary(findings, style) : as_json(request->path, findings, passed));
  if (!written) return failed(written.error());
  return passed ? 0 : 1;
}

}  // namespace

void add_plugin_check(CLI::App& plugin, int& exit_code) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = plugin.add_subcommand("check", "Does a plugin keep to the contract?");
  options->directory = plugin_directories("").front();
  command
      ->add_option("--plugin-dir", options->directory,
                   "Where to look (default: where wiremill's own are).")
      ->type_name("DIR");
  command->add_option("plugin", options->plugin, "Its name, or its file.")
      ->required()
      ->option_text("NAME|FILE.so");
  command
      ->add_option("--option", options->options,
                   "An option of the stage, the value as in YAML; again for more.")
      ->allow_extra_args(false)
      ->option_text("NAME=VALUE");
  command->add_option("--only", options->only, "Only these checks.")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("NAME,...");
  command->add_option("--deadline", options->deadline, "Of one document (default: 10s).")
      ->option_text("DURATION");
  command
      ->add_option("--fuzz", options->fuzz_seconds,
                   "Also change documents at random for so many seconds.")
      ->check(CLI::Range(0, 86'400))
      ->option_text("SECONDS");
  command->add_flag("--brief", options->brief, "A tenth of the documents, for a first look.");
  command->add_option("--format", options->format, "text or json (default: text).")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("FORMAT");
  std::string names = "They are:";
  size_t columns = names.size();
  for (const check::Check& each : check::all_checks()) {
    columns += each.name.size() + 1;
    names += columns > kHelpColumns ? "\n  " : " ";
    if (columns > kHelpColumns) columns = each.name.size() + 2;
    names += each.name;
  }
  command->footer(fmt::format(
      "Example:\n"
      "  wiremill plugin check build/word_count.so --option words_min=2 --fuzz 60\n"
      "Each check runs in a process of its own, so nothing that the plugin does ends the others.\n"
      "{}.\n"
      "Exit codes: 0 all passed, 1 some did not, 64 usage, 78 no such plugin.",
      names));
  command->callback([options, &exit_code] { exit_code = run_check(*options); });
}

}  // namespace wiremill::cli
