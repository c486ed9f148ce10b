// Viterbi and forward-backward: see lattice.hpp.
#include "plugins/entities/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace wiremill::entities {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

struct Pair {
  uint8_t before, after;
};

constexpr size_t count_pairs() {
  size_t count = 0;
  for (uint8_t before = 0; before < kLabels; ++before)
    for (uint8_t after = 0; after < kLabels; ++after) count += may_follow(before, after);
  return count;
}

// Every possible succession, in the order of `after`.
constexpr auto kPairs = [] {
  std::array<Pair, count_pairs()> pairs{};
  size_t count = 0;
  for (uint8_t after = 0; after < kLabels; ++after)
    for (uint8_t before = 0; before < kLabels; ++before)
      if (may_follow(before, after)) pairs[count++] = {before, after};
  return pairs;
}();

}  // namespace

void Lattice::best_path(std::span<const Scores> emissions, const Transitions& transitions,
                        std::span<uint8_t> labels) {
  const size_t count = emissions.size();
  if (count == 0) return;
  best_.resize(count);
  came_from_.resize(count);
  for (uint8_t l = 0; l < kLabels; ++l) best_[0][l] = needs_open(l) ? kImpossible : emissions[0][l];
  for (size_t t = 1; t < count; ++t) {
    Scores& now = best_[t];
    now.fill(kImpossible);
    for (const auto [before, after] : kPairs) {
      const float score = best_[t - 1][before] + transitions[before][after];
      if (score > now[after]) {
        now[after] = score;
        came_from_[t][after] = before;
      }
    }
    for (uint8_t l = 0; l < kLabels; ++l) now[l] += emissions[t][l];
  }
  uint8_t last = kOutside;
  for (uint8_t l = 0; l < kLabels; ++l)
    if (!leaves_open(l) && best_[count - 1][l] > best_[count - 1][last]) last = l;
  for (size_t t = count; t-- > 0;) {
    labels[t] = last;
    if (t > 0) last = came_from_[t][last];
  }
}

double Lattice::sum_paths(std::span<const Scores> emissions, const Transitions& transitions,
                          std::span<const LabelSet> allowed) {
  const size_t count = emissions.size();
  emission_.resize(count);
  forward_.resize(count);
  backward_.resize(count);
  scale_.resize(count);
  for (const auto [before, after] : kPairs)
    pair_[before][after] = std::exp(transitions[before][after]);
  double log_sum = 0;
  for (size_t t = 0; t < count; ++t) {
    const LabelSet set = allowed.empty() ? kAnyLabel : allowed[t];
    const float top = *std::max_element(emissions[t].begin(), emissions[t].end());
    for (uint8_t l = 0; l < kLabels; ++l)
      emission_[t][l] = (set >> l & 1) != 0 ? std::exp(emissions[t][l] - top) : 0.0F;
    log_sum += top;

    Scores& now = forward_[t];
    now.fill(0);
    if (t == 0) {
      for (uint8_t l = 0; l < kLabels; ++l) now[l] = needs_open(l) ? 0 : 1;
    } else {
      for (const auto [before, after] : kPairs)
        now[after] += forward_[t - 1][before] * pair_[before][after];
    }
    float sum = 0;
    for (uint8_t l = 0; l < kLabels; ++l) sum += now[l] *= emission_[t][l];
    if (!(sum > 0)) return -std::numeric_limits<double>::infinity();
    for (float& value : now) value /= sum;
    scale_[t] = sum;
    log_sum += std::log(static_cast<double>(sum));
  }
  // A path may not end inside a name.
  double ended = 0;
  for (uint8_t l = 0; l < kLabels; ++l) {
    if (leaves_open(l)) continue;
    ended += static_cast<double>(forward_[count - 1][l]);
  }
  if (!(ended > 0)) return -std::numeric_limits<double>::infinity();
  for (uint8_t l = 0; l < kLabels; ++l)
    backward_[count - 1][l] = leaves_open(l) ? 0 : static_cast<float>(1 / ended);
  for (size_t t = count - 1; t-- > 0;) {
    backward_[t].fill(0);
    for (const auto [before, after] : kPairs)
      backward_[t][before] +=
          pair_[before][after] * emission_[t + 1][after] * backward_[t + 1][after];
    for (float& value : backward_[t]) value /= scale_[t + 1];
  }
  return log_sum + std::log(ended);
}

double Lattice::path_probability(size_t first, std::span<const uint8_t> labels) const {
  double probability = static_cast<double>(forward_[first][labels[0]]);
  for (size_t i = 1; i < labels.size(); ++i)
    probability *= static_cast<double>(pair_[labels[i - 1]][labels[i]]) *
                   static_cast<double>(emission_[first + i][labels[i]]) /
                   static_cast<double>(scale_[first + i]);
  return std::min(
      1.0, probability * static_cast<double>(backward_[first + labels.size() - 1][labels.back()]));
}

void Lattice::add_pairs(float weight, Transitions& sums) const {
  for (size_t t = 1; t < forward_.size(); ++t)
    for (const auto [before, after] : kPairs)
      sums[before][after] += weight * forward_[t - 1][before] * pair_[before][after] *
                             emission_[t][after] * backward_[t][after] / scale_[t];
}

}  // namespace wiremill::entities
