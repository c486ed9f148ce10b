#include "daemon/plugin/stage_metrics.hpp"

#include <algorithm>
#include <cmath>

namespace wiremill {
namespace {

constexpr size_t kNamesMax = 64;
constexpr size_t kNameBytesMax = 64;

bool is_lower_snake_case(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= kNameBytesMax && is_letter(name[0]) &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// The name of a family of its own must be none of the daemon's, nor a part of another histogram.
bool may_be_a_family(std::string_view name) {
  for (const std::string_view end : {"_total", "_bucket", "_sum", "_count"})
    if (name.ends_with(end)) return false;
  return true;
}

}  // namespace

void Histogram::add(double value) {
  ++counts[std::ranges::lower_bound(kBounds, value) - kBounds.begin()];
  sum += value;
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
}

// Asked once for each name.
bool StageMetrics::has_room_for(std::string_view name) const {
  return is_lower_snake_case(name) &&
         counters_.size() + gauges_.size() + histograms_.size() < kNamesMax &&
         !counters_.contains(name) && !gauges_.contains(name) && !histograms_.contains(name);
}

void StageMetrics::count(std::string_view name, uint64_t add) {
  if (const auto found = counters_.find(name); found != counters_.end())
    found->second += add;
  else if (has_room_for(name))
    counters_.emplace(name, add);
}

void StageMetrics::gauge(std::string_view name, double value) {
  if (!std::isfinite(value)) return;
  if (const auto found = gauges_.find(name); found != gauges_.end())
    found->second = value;
  else if (has_room_for(name) && may_be_a_family(name))
    gauges_.emplace(name, value);
}

void StageMetrics::observe(std::string_view name, double value) {
  if (!std::isfinite(value) || value < 0) return;
  auto found = histograms_.find(name);
  if (found == histograms_.end() && has_room_for(name) && may_be_a_family(name))
    found = histograms_.emplace(name, Histogram{}).first;
  if (found != histograms_.end()) found->second.add(value);
}

void StageMetrics::observe(std::string_view name, const Histogram& values) {
  if (!std::isfinite(values.sum) || values.sum < 0) return;
  if (const auto found = histograms_.find(name); found != histograms_.end())
    found->second.add(values);
  else if (has_room_for(name) && may_be_a_family(name))
    histograms_.emplace(name, values);
}

void StageMetrics::go_on(const StageMetrics& later) {
  for (const auto& [name, count] : later.counters_) {
    gauges_.erase(name);
    histograms_.erase(name);
    counters_[name] += count;
  }
  for (const auto& [name, value] : later.gauges_) {
    counters_.erase(name);
    histograms_.erase(name);
    gauges_[name] = value;
  }
  for (const auto& [name, values] : later.histograms_) {
    counters_.erase(name);
    gauges_.erase(name);
    histograms_[name].add(values);
  }
}

}  // namespace wiremill
