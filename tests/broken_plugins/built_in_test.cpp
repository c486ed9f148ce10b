// The conformance kit on the stages that come with Wiremill. A tenth of its documents: `wiremill plugin
// check NAME` takes all of them.
#include <gtest/gtest.h>

#include "cli/check/kit.hpp"

namespace wiremill::check {
namespace {

class BuiltInPlugin : public testing::TestWithParam<const char*> {};

TEST_P(BuiltInPlugin, KeepsToTheContract) {
  Request request;
  request.path = std::string(BUILT_IN_PLUGINS "/") + GetParam() + ".so";
  request.brief = true;
  const auto checks = choose_checks({}, false);
  ASSERT_TRUE(checks.has_value());
  for (const Finding& finding : run_checks(
           request, *checks, [](const Finding&) {}, [] { return true; }))
    EXPECT_EQ(finding.outcome, Finding::Outcome::Passed)
        << finding.check->name << ": " << finding.detail << "\n"
        << finding.words;
}

INSTANTIATE_TEST_SUITE_P(Each, BuiltInPlugin,
                         testing::Values("clean", "language", "entities", "duplicates", "summary"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace wiremill::check
