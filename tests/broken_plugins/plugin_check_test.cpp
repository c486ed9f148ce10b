// The conformance kit on plugins that are broken in one way each, and on one that is not.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "cli/check/allocation.hpp"
#include "cli/check/kit.hpp"

namespace wiremill::check {
namespace {

using Names = std::set<std::string>;

std::vector<Finding> check_plugin(const Request& request,
                                  const std::vector<std::string>& only = {}) {
  const auto checks = choose_checks(only, request.fuzz_ms > 0);
  EXPECT_TRUE(checks.has_value());
  return run_checks(
      request, *checks, [](const Finding&) {}, [] { return true; });
}

Names red(const std::vector<Finding>& findings) {
  Names names;
  for (const Finding& finding : findings)
    if (finding.outcome == Finding::Outcome::Failed) names.emplace(finding.check->name);
  return names;
}

std::string details(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings)
    out += fmt::format("{}: {} ({:.2f} s)\n{}\n", finding.check->name, finding.detail,
                       finding.seconds, finding.words);
  return out;
}

Request broken(const std::string& fault) {
  Request request;
  request.path = std::string(BROKEN_PLUGINS "/broken_") + fault + ".so";
  request.deadline_ms = 3000;
  request.brief = true;
  return request;
}

TEST(PluginCheck, NothingIsWrongWithASoundPlugin) {
  Request request = broken("none");
  request.fuzz_ms = 300;
  request.brief = false;
  const std::vector<Finding> findings = check_plugin(request);
  EXPECT_EQ(red(findings), Names{}) << details(findings);
  EXPECT_EQ(findings.size(), all_checks().size());
  for (const Finding& finding : findings) EXPECT_EQ(finding.outcome, Finding::Outcome::Passed);
}

class BrokenPlugin : public testing::TestWithParam<const char*> {};

TEST_P(BrokenPlugin, IsRedInOneCheckAlone) {
  const std::string fault = GetParam();
  if ((fault == "allocations" || fault == "leaks") && !allocations_are_watched())
    GTEST_SKIP() << "a sanitizer has the allocator";
  const std::vector<Finding> findings = check_plugin(broken(fault));
  EXPECT_EQ(red(findings), Names{fault}) << details(findings);
}

INSTANTIATE_TEST_SUITE_P(Each, BrokenPlugin,
                         testing::Values("loads", "options", "older_host", "newer_host", "batches",
                                         "sizes", "text", "annotations", "deadline", "cancel",
                                         "instances", "determinism", "settle_order", "state_errors",
                                         "restart", "allocations", "leaks"),
                         [](const auto& each) { return std::string(each.param); });

TEST(PluginCheck, TellsHowAPluginDiedAndItsLastWords) {
  const std::vector<Finding> findings = check_plugin(broken("batches"), {"batches"});
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[1].detail, "killed by SIGABRT in process (batches of 300)");
  EXPECT_EQ(findings[1].words, "a table of 256 documents is full\n");
}

TEST(PluginCheck, RunsNothingWhereThePluginDoesNotLoad) {
  for (const char* fault : {"other_id", "other_minor"}) {
    Request request;
    request.path = std::string(NOTED_PLUGINS "/noted_") + fault + ".so";
    const std::vector<Finding> findings = check_plugin(request);
    EXPECT_EQ(red(findings), Names{"loads"}) << details(findings);
    EXPECT_NE(findings[0].detail.find("its note says"), std::string::npos) << findings[0].detail;
    for (size_t i = 1; i < findings.size(); ++i)
      EXPECT_EQ(findings[i].outcome, Finding::Outcome::NotRun);
  }
}

TEST(PluginCheck, KeepsTheDocumentThatMutationFoundAndNamesItsFile) {
  Request request = broken("fuzz");
  request.fuzz_ms = 20'000;
  const std::vector<Finding> findings = check_plugin(request);
  ASSERT_EQ(red(findings), Names{"fuzz"}) << details(findings);
  const std::string& detail = findings.back().detail;
  EXPECT_TRUE(detail.starts_with("killed by SIGABRT in process, at document 'article-")) << detail;
  const size_t place = detail.find("kept in ");
  ASSERT_NE(place, std::string::npos) << detail;
  const std::filesystem::path file = detail.substr(place + 8);
  EXPECT_GT(std::filesystem::file_size(file), 0U);
  std::filesystem::remove(file);
}

TEST(PluginCheck, KnowsItsChecksByName) {
  const auto chosen = choose_checks({"text", "batches"}, false);
  ASSERT_TRUE(chosen.has_value());
  EXPECT_EQ(chosen->size(), 2U);
  const auto unknown = choose_checks({"texts"}, false);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_TRUE(unknown.error().message.starts_with("no check 'texts'; there are loads, "));
  EXPECT_FALSE(choose_checks({"fuzz"}, false).has_value());  // for how long?
}

}  // namespace
}  // namespace wiremill::check
