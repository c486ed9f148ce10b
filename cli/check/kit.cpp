#include "cli/check/kit.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/check/child.hpp"
#include "daemon/document/document_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill::check {
namespace {

constexpr std::string_view kLoads = "loads", kFuzz = "fuzz";
constexpr int64_t kCheckDeadlineMs = 180'000;

// As a line for `wiremill run --input jsonl`, or, where the body is not UTF-8, as the message
// wiremill.v1.Document.
std::string keep(const Request& request, const std::string& input) {
  v1::Document document;
  if (!document.ParseFromString(input)) return "no file, it was too large";
  const bool is_text = text::is_valid(document.body());
  const std::string path =
      fmt::format("{}-fuzz-{}{}", std::filesystem::path(request.path).stem().string(), getpid(),
                  is_text ? ".jsonl" : ".pb");
  std::ofstream out(path, std::ios::binary);
  out << (is_text ? document_to_json(document) + "\n" : input);
  return out.flush() ? path : fmt::format("no file, {} cannot be written", path);
}

Finding run_check(const Request& request, const Check& check, const std::function<bool()>& go_on) {
  ChildLimits limits;
  limits.deadline_ms = kCheckDeadlineMs + request.fuzz_ms;
  const Ended ended = run_in_child(
      limits, [&] { return check.run(request); }, go_on);
  Finding finding;
  finding.check = &check;
  finding.outcome = ended.passed ? Finding::Outcome::Passed : Finding::Outcome::Failed;
  finding.detail = ended.detail;
  finding.words = ended.words;
  finding.seconds = ended.seconds;
  if (!ended.passed && !ended.input.empty())
    finding.detail += fmt::format("; the document is kept in {}", keep(request, ended.input));
  return finding;
}

}  // namespace

Result<std::vector<const Check*>> choose_checks(const std::vector<std::string>& names, bool fuzz) {
  std::vector<const Check*> chosen;
  std::string known;
  for (const Check& check : all_checks()) {
    known += (known.empty() ? "" : ", ") + std::string(check.name);
    const bool named = std::ranges::find(names, check.name) != names.end();
    const bool wanted = check.name == kFuzz ? fuzz : names.empty();
    if (named || wanted) chosen.push_back(&check);
  }
  for (const std::string& name : names)
    if (std::ranges::find(all_checks(), name, &Check::name) == all_checks().end())
      return fail(ErrorCode::Usage, "no check '{}'; there are {}", name, known);
  if (!fuzz && std::ranges::find(names, kFuzz) != names.end())
    return fail(ErrorCode::Usage, "the check 'fuzz' needs to know for how long: --fuzz SECONDS");
  return chosen;
}

std::vector<Finding> run_checks(const Request& request, const std::vector<const Check*>& checks,
                                const std::function<void(const Finding&)>& found,
                                const std::function<bool()>& go_on) {
  std::vector<Finding> findings;
  const auto add = [&](Finding finding) {
    found(finding);
    findings.push_back(std::move(finding));
  };
  add(run_check(request, all_checks().front(), go_on));
  const bool loads = findings.front().outcome == Finding::Outcome::Passed;
  for (const Check* check : checks) {
    if (check->name == kLoads) continue;
    if (loads && go_on()) {
      add(run_check(request, *check, go_on));
    } else {
      Finding finding;
      finding.check = check;
      finding.detail = loads ? "interrupted" : "the plugin does not load";
      add(std::move(finding));
    }
  }
  return findings;
}

}  // namespace wiremill::check
