// AdaGrad for a conditional random field: see crf.hpp.
#include "plugins/entities/train/crf.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "plugins/entities/words.hpp"

namespace wiremill::entities {
namespace {

// A gradient below this moves nothing; most tokens are plain after the first round.
constexpr float kGradientMin = 0.002F;
constexpr float kSquareStart = 0.01F;

}  // namespace

uint64_t Crf::random() {
  random_ += 0x9e3779b97f4a7c15ULL;
  return mix(random_, 0);
}

void Crf::select(const Sample& sample, float drop) {
  const auto limit = static_cast<uint32_t>(drop * 65536.0F);
  kept_.clear();
  kept_starts_.assign(1, 0);
  for (size_t t = 0; t < sample.allowed.size(); ++t) {
    for (uint32_t i = sample.starts[t]; i < sample.starts[t + 1]; i += 4) {
      uint64_t chance = random();
      for (uint32_t j = i; j < std::min(i + 4, sample.starts[t + 1]); ++j, chance >>= 16)
        if ((chance & 0xffff) >= limit) kept_.push_back(sample.rows[j]);
    }
    kept_starts_.push_back(static_cast<uint32_t>(kept_.size()));
  }
}

double Crf::step(const Sample& sample, const CrfSettings& settings, float rate) {
  select(sample, settings.drop);
  const size_t count = sample.allowed.size();
  scores_.assign(count, Scores{});
  if (!sample.base.empty()) scores_ = sample.base;
  const float scale = 1 / (1 - settings.drop);
  for (size_t t = 0; t < count; ++t) {
    Row sum;
    for (uint32_t i = kept_starts_[t]; i < kept_starts_[t + 1]; ++i)
      for (size_t l = 0; l < kLanes; ++l) sum.value[l] += weights_[kept_[i]].value[l];
    for (size_t l = 0; l < kLabels; ++l) scores_[t][l] += scale * sum.value[l];
  }
  const double all = free_.sum_paths(scores_, transitions_, {});
  const double right = bound_.sum_paths(scores_, transitions_, sample.allowed);
  if (!std::isfinite(all) || !std::isfinite(right)) return 0;

  for (size_t t = 0; t < count; ++t) {
    Row gradient;
    float largest = 0;
    for (uint8_t l = 0; l < kLabels; ++l) {
      gradient.value[l] = sample.weight * (bound_.marginal(t, l) - free_.marginal(t, l));
      largest = std::max(largest, std::abs(gradient.value[l]));
    }
    if (largest < kGradientMin) continue;
    for (uint32_t i = kept_starts_[t]; i < kept_starts_[t + 1]; ++i) {
      float* weight = weights_[kept_[i]].value;
      float* square = squares_[kept_[i]].value;
      for (size_t l = 0; l < kLanes; ++l) {
        const float g = gradient.value[l];
        square[l] += g * g;
        weight[l] += rate * g / std::sqrt(square[l] + kSquareStart);
      }
    }
  }
  Transitions gradient{};
  bound_.add_pairs(sample.weight, gradient);
  free_.add_pairs(-sample.weight, gradient);
  for (size_t b = 0; b < kLabels; ++b)
    for (size_t a = 0; a < kLabels; ++a) {
      const float g = gradient[b][a];
      transition_squares_[b][a] += g * g;
      transitions_[b][a] += rate * g / std::sqrt(transition_squares_[b][a] + kSquareStart);
    }
  return static_cast<double>(sample.weight) * (all - right);
}

void Crf::train(std::span<const Sample> samples, std::vector<uint32_t> chosen,
                const CrfSettings& settings) {
  for (int epoch = 0; epoch < settings.epochs; ++epoch) {
    for (size_t i = chosen.size(); i > 1; --i) std::swap(chosen[i - 1], chosen[random() % i]);
    // The last rounds take smaller steps, so that the end does not depend on the last sentences.
    const float progress = static_cast<float>(epoch) / static_cast<float>(settings.epochs);
    const float rate = settings.rate * (1 - 0.8F * progress);
    double loss = 0;
    for (const uint32_t index : chosen) loss += step(samples[index], settings, rate);
    std::printf("  round %d: loss %.0f\n", epoch + 1, loss);
    std::fflush(stdout);
  }
}

void Crf::score(const Sample& sample, std::vector<Scores>& scores) const {
  scores.assign(sample.allowed.size(), Scores{});
  if (!sample.base.empty()) scores = sample.base;
  for (size_t t = 0; t < scores.size(); ++t)
    for (uint32_t i = sample.starts[t]; i < sample.starts[t + 1]; ++i)
      for (size_t l = 0; l < kLabels; ++l) scores[t][l] += weights_[sample.rows[i]].value[l];
}

float Crf::quantise(std::span<const uint32_t> keys, size_t rows_max,
                    std::vector<std::pair<uint32_t, std::string>>& rows) const {
  constexpr float kLargest = 6;
  std::vector<std::pair<float, uint32_t>> order;  // by falling weight, then by row
  float top = 0;
  for (uint32_t i = 0; i < weights_.size(); ++i) {
    float largest = 0;
    for (size_t l = 0; l < kLabels; ++l)
      largest = std::max(largest, std::abs(weights_[i].value[l]));
    top = std::max(top, largest);
    order.emplace_back(-largest, i);
  }
  const float unit = std::min(top, kLargest) / 127;
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), rows_max));
  rows.clear();
  for (const auto& [largest, index] : order) {
    if (-largest < unit / 2) break;
    std::string row;
    for (size_t l = 0; l < kLabels; ++l)
      row += static_cast<char>(static_cast<int8_t>(
          std::clamp(std::lround(weights_[index].value[l] / unit), -127L, 127L)));
    rows.emplace_back(keys[index], std::move(row));
  }
  if (!order.empty())
    std::printf("  %zu of %zu rows, least kept weight %.3f\n", rows.size(), weights_.size(),
                static_cast<double>(-order.back().first));
  return unit;
}

}  // namespace wiremill::entities
