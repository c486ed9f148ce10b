// What stages say of themselves and what they are told of their time, in the daemon, in a process of
// their own, and as a program.
#include <gtest/gtest.h>

#include <numeric>

#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

StageConfig probe(bool own_process) {
  StageConfig config = probe_stage("probe");
  config.own_process = own_process;
  return config;
}

StageConfig program() {
  StageConfig config = probe(true);
  config.plugin.clear();
  config.command = {"/usr/bin/python3", PROBE_PROGRAM};
  return config;
}

StageMetrics metrics_after(const StageConfig& config, const std::vector<Submitted>& documents) {
  const auto line = build({config});
  for (const v1::ResultRecord& record : run(*line, documents, {.threads = 1}))
    EXPECT_EQ(result_of(record).status(), v1::Result::PROCESSED)
        << result_of(record).failure().message();
  return line->stages()[0].stage->metrics();
}

uint64_t count_of(const Histogram& values) {
  return std::accumulate(values.counts.begin(), values.counts.end(), uint64_t{0});
}

TEST(Metrics, AreTheSameWhereverTheStageRuns) {
  for (const StageConfig& config : {probe(false), probe(true), program()}) {
    const StageMetrics metrics = metrics_after(config, {{"s", "measure 3"},
                                                        {"s", "measure nan"},
                                                        {"s", "plain"},
                                                        {"s", "measure 0.5"},
                                                        {"s", "measure -4"},
                                                        {"s", "measure inf"}});
    EXPECT_EQ(metrics.gauges().at("last_value"), -4);
    const Histogram& values = metrics.histograms().at("values");
    EXPECT_EQ(values.sum, 3.5);
    EXPECT_EQ(count_of(values), 2U);
    for (size_t i = 0; i < Histogram::kBounds.size(); ++i)
      EXPECT_EQ(values.counts[i], Histogram::kBounds[i] == 0.5 || Histogram::kBounds[i] == 5) << i;
  }
}

TEST(Metrics, AnInnermostLoopMaySayThem) {
  for (const bool own_process : {false, true}) {
    const StageMetrics metrics = metrics_after(probe(own_process), {{"s", "count often"}});
    EXPECT_EQ(metrics.counters().at("rounds_counted"), 100'000U);
    EXPECT_EQ(count_of(metrics.histograms().at("rounds")), 100'000U);
    EXPECT_EQ(metrics.histograms().at("rounds").sum, 25'000);
  }
}

TEST(Metrics, AStageIsToldItsDeadlineWhereThereIsOne) {
  EXPECT_EQ(metrics_after(probe(false), {{"s", "measure 1"}}).gauges().at("left_seconds"), -1e-6);
  for (StageConfig config : {probe(true), program()}) {
    config.deadline_ms = 100'000;
    const StageMetrics metrics = metrics_after(config, {{"s", "measure 1"}});
    EXPECT_GT(metrics.gauges().at("left_seconds"), 50);
    EXPECT_LE(metrics.gauges().at("left_seconds"), 100);
  }
}

TEST(Metrics, AStageCanGiveADocumentUpBeforeItsDeadline) {
  StageConfig config = probe(true);
  config.deadline_ms = 2000;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "until late"}, {"s", "plain"}}, {.threads = 1});
  EXPECT_EQ(result_of(records[0]).failure().code(), "LATE")
      << result_of(records[0]).failure().message();
  EXPECT_EQ(result_of(records[1]).status(), v1::Result::PROCESSED);
}

}  // namespace
}  // namespace wiremill
