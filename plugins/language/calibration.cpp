// See calibration.hpp.
#include "plugins/language/calibration.hpp"

#include <algorithm>
#include <cmath>

#include "plugins/language/language_core.hpp"

namespace wiremill::language {
namespace {

// The best of a candidate and its sisters. Not of nb and nn, which whole series of endings tell apart.
double nats_of_family(const Evidence& evidence, const Candidate& candidate) {
  const std::string_view macro = macro_of(candidate.code);
  double nats = candidate.nats;
  for (const Candidate& other : evidence.candidates)
    if (macro.size() == 3 && macro_of(other.code) == macro) nats = std::max(nats, other.nats);
  return nats;
}

}  // namespace

std::vector<Ranked> ranked(const Evidence& evidence, const Calibration& calibration) {
  const double symbols = std::clamp(static_cast<double>(evidence.symbols), 2.0, 1000.0);
  const double temperature =
      calibration.temperature * std::pow(symbols, calibration.temperature_power);
  const double cld2 = calibration.cld2 + (evidence.cld2_reliable ? calibration.cld2_reliable : 0) +
                      calibration.cld2_share * evidence.cld2_share;
  const double apart = calibration.sisters * std::pow(symbols, calibration.sisters_power);
  std::vector<Ranked> all;
  double best = -HUGE_VAL;
  for (size_t i = 0; i < evidence.candidates.size(); ++i) {
    const Candidate& candidate = evidence.candidates[i];
    const double nats = nats_of_family(evidence, candidate);
    all.push_back({i, (nats + (candidate.nats - nats) / apart) / temperature +
                          (candidate.is_cld2s ? cld2 : 0)});
    best = std::max(best, all.back().probability);
  }
  double sum = 0;
  for (Ranked& one : all) sum += one.probability = std::exp(one.probability - best);
  for (Ranked& one : all) one.probability /= sum;
  std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) {
    return (a.probability) > (b.probability);
  });
  if (all.empty()) return all;

  const double first = std::clamp(all.front().probability, 1e-9, 1 - 1e-9);
  const double odds = calibration.slope * std::log(first / (1 - first)) + calibration.offset +
                      calibration.per_log_symbol * std::log(symbols);
  const double corrected = 1 / (1 + std::exp(-odds));
  all.front().probability = corrected;
  for (size_t i = 1; i < all.size(); ++i)
    all[i].probability = std::min(corrected, all[i].probability * (1 - corrected) / (1 - first));
  return all;
}

}  // namespace wiremill::language
