// The rules of wm_host on names, kinds and values of what a stage says of itself.
#include "daemon/plugin/stage_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace wiremill {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> names_of(const auto& named) {
  std::vector<std::string> names;
  for (const auto& [name, value] : named) names.push_back(name);
  return names;
}

// In which bucket a value falls.
size_t bucket_of(double value) {
  Histogram values;
  values.add(value);
  return static_cast<size_t>(std::ranges::find(values.counts, 1U) - values.counts.begin());
}

TEST(StageMetrics, CountsAddUpAndAGaugeIsWhatWasSaidLast) {
  StageMetrics metrics;
  metrics.count("seen", 2);
  metrics.count("seen", 3);
  metrics.gauge("level", 7);
  metrics.gauge("level", -1.5);
  EXPECT_EQ(metrics.counters().at("seen"), 5U);
  EXPECT_EQ(metrics.gauges().at("level"), -1.5);
}

TEST(StageMetrics, AValueFallsIntoTheBucketOfTheLeastBoundThatIsNotBelowIt) {
  EXPECT_EQ(Histogram::kBounds.front(), 1e-6);
  EXPECT_EQ(Histogram::kBounds.back(), 1e9);
  EXPECT_TRUE(std::ranges::is_sorted(Histogram::kBounds));
  EXPECT_EQ(bucket_of(0), 0U);
  EXPECT_EQ(bucket_of(1e-6), 0U);
  EXPECT_EQ(bucket_of(std::nextafter(1e-6, 1)), 1U);
  EXPECT_EQ(Histogram::kBounds[bucket_of(0.5)], 0.5);
  EXPECT_EQ(Histogram::kBounds[bucket_of(0.51)], 1);
  EXPECT_EQ(Histogram::kBounds[bucket_of(3000)], 5000);
  EXPECT_EQ(bucket_of(1e9), Histogram::kBounds.size() - 1);
  EXPECT_EQ(bucket_of(1e10), Histogram::kBounds.size());
}

TEST(StageMetrics, WhatIsNoNumberIsDropped) {
  StageMetrics metrics;
  for (const double value : {std::nan(""), kInfinity, -kInfinity}) {
    metrics.gauge("level", value);
    metrics.observe("size", value);
  }
  metrics.observe("size", -1e-9);
  EXPECT_TRUE(metrics.gauges().empty());
  EXPECT_TRUE(metrics.histograms().empty());
  metrics.gauge("level", 4);
  metrics.gauge("level", kInfinity);
  EXPECT_EQ(metrics.gauges().at("level"), 4);
  metrics.observe("size", 0);
  EXPECT_EQ(metrics.histograms().at("size").counts[0], 1U);
}

TEST(StageMetrics, ANameIsTheKindThatItWasFirst) {
  StageMetrics metrics;
  metrics.count("a", 1);
  metrics.gauge("a", 1);
  metrics.observe("a", 1);
  metrics.gauge("b", 1);
  metrics.count("b", 1);
  metrics.observe("b", 1);
  metrics.observe("c", 1);
  metrics.count("c", 1);
  metrics.gauge("c", 1);
  EXPECT_EQ(names_of(metrics.counters()), std::vector<std::string>{"a"});
  EXPECT_EQ(names_of(metrics.gauges()), std::vector<std::string>{"b"});
  EXPECT_EQ(names_of(metrics.histograms()), std::vector<std::string>{"c"});
}

TEST(StageMetrics, SixtyFourNamesOfAllKindsTogether) {
  StageMetrics metrics;
  for (int i = 0; i < 30; ++i) {
    metrics.count("c" + std::to_string(i), 1);
    metrics.gauge("g" + std::to_string(i), 1);
    metrics.observe("h" + std::to_string(i), 1);
  }
  EXPECT_EQ(metrics.counters().size(), 22U);
  EXPECT_EQ(metrics.gauges().size(), 21U);
  EXPECT_EQ(metrics.histograms().size(), 21U);
  metrics.count("c0", 1);  // known ones go on
  EXPECT_EQ(metrics.counters().at("c0"), 2U);
}

TEST(StageMetrics, NamesAreLowerSnakeCase) {
  StageMetrics metrics;
  for (const std::string& name :
       {std::string(), std::string("Upper"), std::string("1st"), std::string("_x"),
        std::string("a-b"), std::string("a b"), std::string("a\n# TYPE b"), std::string("größe"),
        std::string("a\0b", 3), std::string(65, 'a')}) {
    metrics.count(name, 1);
    metrics.gauge(name, 1);
    metrics.observe(name, 1);
  }
  // Of the daemon's own families, and of the parts of a histogram.
  for (const char* name : {"events_total", "size_bucket", "size_sum", "size_count"}) {
    metrics.gauge(name, 1);
    metrics.observe(name, 1);
  }
  EXPECT_TRUE(metrics.counters().empty());
  EXPECT_TRUE(metrics.gauges().empty());
  EXPECT_TRUE(metrics.histograms().empty());
  metrics.count("bytes_total", 1);
  metrics.gauge(std::string(64, 'a'), 1);
  metrics.observe("p99_of_2", 1);
  EXPECT_EQ(metrics.counters().size() + metrics.gauges().size() + metrics.histograms().size(), 3U);
}

TEST(StageMetrics, ManyValuesAtOnceAreAsOneByOne) {
  StageMetrics one_by_one, at_once;
  Histogram some;
  for (const double value : {0.25, 3.0, 1e12}) {
    one_by_one.observe("size", value);
    some.add(value);
  }
  at_once.observe("size", some);
  EXPECT_EQ(at_once.histograms().at("size").counts, one_by_one.histograms().at("size").counts);
  EXPECT_EQ(at_once.histograms().at("size").sum, 1e12 + 3.25);
  some.sum = std::nan("");
  at_once.observe("size", some);
  EXPECT_EQ(at_once.histograms().at("size").sum, 1e12 + 3.25);
}

TEST(StageMetrics, AReplacementGoesOnWithWhatWasCounted) {
  StageMetrics before, after;
  before.count("seen", 2);
  before.gauge("level", 1);
  before.gauge("old_level", 2);
  before.observe("size", 3);
  before.count("changed", 4);
  after.count("seen", 1);
  after.gauge("level", 5);
  after.observe("size", 0.3);
  after.gauge("changed", 6);
  before.go_on(after);
  EXPECT_EQ(before.counters().at("seen"), 3U);
  EXPECT_EQ(before.gauges().at("level"), 5);
  EXPECT_EQ(before.gauges().at("old_level"), 2);
  const Histogram& size = before.histograms().at("size");
  EXPECT_EQ(size.sum, 3.3);
  EXPECT_EQ(std::accumulate(size.counts.begin(), size.counts.end(), uint64_t{0}), 2U);
  EXPECT_FALSE(before.counters().contains("changed"));
  EXPECT_EQ(before.gauges().at("changed"), 6);
}

}  // namespace
}  // namespace wiremill
