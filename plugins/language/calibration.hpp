// From evidence to probability. The one place with numbers fitted on labelled texts: eight, on one
// half of the development set (language_quality --fit), measured on the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace wiremill::language {

struct Candidate {
  std::string code;       // as the model names it
  double nats = 0;        // the scorer's log likelihood, less the best candidate's
  bool is_cld2s = false;  // CLD2's first choice
};

// What stood behind an answer, before calibration.
struct Evidence {
  uint32_t symbols = 0;     // letters and word edges scored
  double fit = 0;           // the best score by what its language's own texts have on average
  double outside_nats = 0;  // by which a language that is no candidate leads
  bool cld2_asked = false, cld2_reliable = false;
  double cld2_share = 0;
  std::string cld2_code;
  std::vector<Candidate> candidates;  // the best, descending by nats
};

struct Calibration {
  // Neighbouring n-grams say the same thing more than once: log likelihoods are divided by
  // temperature * symbols ^ temperature_power.
  double temperature = 1.05, temperature_power = 0.4525;
  // Those between sisters of one macro-language once more by sisters * symbols ^ sisters_power: few
  // words tell them apart, and come again and again. By hand: the fit would have CLD2 alone decide,
  // and lose Indonesian to Malay.
  double sisters = 1.5, sisters_power = 0.1;
  // What CLD2's first choice is worth, in the units that come of it.
  double cld2 = -0.3875, cld2_reliable = 0.5625, cld2_share = 0.625;
  // The probability's log odds, corrected.
  double slope = 0.9, offset = -0.095, per_log_symbol = 0.08;
};

inline constexpr Calibration kCalibration;

struct Ranked {
  size_t candidate = 0;  // index into the evidence's
  double probability = 0;
};

// The candidates by probability, descending; together at most 1.
std::vector<Ranked> ranked(const Evidence& evidence, const Calibration& calibration);

}  // namespace wiremill::language
