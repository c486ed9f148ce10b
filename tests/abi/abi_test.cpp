// A plugin for each version of the ABI in the host of today: built with the header of that version, and
// as it was built once and is kept.
#include <gtest/gtest.h>

#include <numeric>

#include "cli/check/kit.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"
#include "daemon/plugin/plugin_note.hpp"

namespace wiremill {
namespace {

struct Case {
  uint16_t minor;
  bool kept;
};

class Abi : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
#ifndef __x86_64__
    if (GetParam().kept) GTEST_SKIP() << "what is kept is for x86_64";
#endif
  }
  static uint16_t minor() { return GetParam().minor; }
  static std::string plugin() {
    const std::string number = std::to_string(minor());
    return GetParam().kept ? KEPT_PLUGINS "/1." + number + "/counting_x86_64.so"
                           : COUNTING_PLUGINS "/counting_1_" + number + ".so";
  }
};

TEST_P(Abi, LoadsAndRunsInTheLine) {
  const auto note = read_plugin_note(plugin());
  ASSERT_TRUE(note.has_value());
  EXPECT_EQ(note->abi_minor, minor());
  for (const bool own_process : {false, true}) {
    StageConfig config;
    config.where = "test.yaml:1:1";
    config.name = "counting";
    config.plugin = plugin();
    config.own_process = own_process;
    const auto line = build({config});
    ASSERT_NE(line, nullptr);
    Submitted again{"one", "five!"};
    again.retries = again.first_sequence = 1;
    const auto records = run(*line, {{"one", "four"}, {"two", ""}, again});
    ASSERT_EQ(records.size(), 3U);
    const auto said = [&](size_t i) {
      const v1::Result result = result_of(records[i]);
      EXPECT_EQ(result.status(), v1::Result::PROCESSED);
      return result.extensions_size() == 1 ? result.extensions(0).json() : "";
    };
    EXPECT_EQ(said(0), R"({"bytes":4,"count":1,"first":1})");
    EXPECT_EQ(said(1), R"({"bytes":0,"count":1,"first":2})");
    EXPECT_EQ(said(2), minor() == 0 ? R"({"bytes":5,"count":2,"first":3})"
                                       : R"({"bytes":5,"count":2,"first":1})");
    const StageMetrics metrics = line->stages()[0].stage->metrics();
    EXPECT_GE(metrics.counters().at("created"), 1U);
    ASSERT_EQ(metrics.gauges().size(), minor() >= 3 ? 1U : 0U);
    ASSERT_EQ(metrics.histograms().size(), minor() >= 3 ? 1U : 0U);
    if (minor() < 3) continue;
    // What the batch told it, and what it measured of its three documents by the host's clock.
    EXPECT_EQ(metrics.gauges().at("deadline_seconds"), own_process ? 10 : 0);
    const Histogram& seconds = metrics.histograms().at("settle_seconds");
    EXPECT_EQ(std::accumulate(seconds.counts.begin(), seconds.counts.end(), uint64_t{0}), 3U);
  }
}

TEST_P(Abi, PassesTheConformanceKit) {
  check::Request request;
  request.path = plugin();
  request.brief = true;
  const auto checks = check::choose_checks({}, false);
  ASSERT_TRUE(checks.has_value());
  for (const check::Finding& finding : check::run_checks(
           request, *checks, [](const check::Finding&) {}, [] { return true; }))
    EXPECT_EQ(finding.outcome, check::Finding::Outcome::Passed)
        << finding.check->name << ": " << finding.detail << "\n"
        << finding.words;
}

TEST(AbiVersions, TheNewestIsTheHostsOwn) { EXPECT_EQ(WM_ABI_MINOR, 3); }

constexpr Case kCases[] = {{0, false}, {1, false}, {2, false}, {3, false},
                           {0, true},  {1, true},  {2, true},  {3, true}};
INSTANTIATE_TEST_SUITE_P(Each, Abi, testing::ValuesIn(kCases), [](const auto& each) {
  return (each.param.kept ? "KeptMinor" : "Minor") + std::to_string(each.param.minor);
});

}  // namespace
}  // namespace wiremill
