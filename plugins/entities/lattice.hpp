// Inference in a linear-chain conditional random field over the labels of one sentence: the best
// path (Viterbi), and marginal probabilities (forward-backward, scaled). Impossible successions of
// labels (an L without its B) are never looked at: of 441 pairs 141 remain.
//
// Sutton, McCallum: An Introduction to Conditional Random Fields, 2012, section 4.1.
// Called by Tagger and by the trainer. One object per thread; it keeps its memory between calls.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "plugins/entities/labels.hpp"
#include "plugins/entities/model.hpp"

namespace wiremill::entities {

using Scores = std::array<float, kLabels>;  // of one token

class Lattice {
 public:
  // Writes the best labels of a sentence; `labels` has the size of `emissions`.
  void best_path(std::span<const Scores> emissions, const Transitions& transitions,
                 std::span<uint8_t> labels);

  // Prepares the marginals below. With `allowed` (one set a token) only those labels count.
  // Answers the logarithm of the sum over all paths, or minus infinity where no path is allowed.
  double sum_paths(std::span<const Scores> emissions, const Transitions& transitions,
                   std::span<const LabelSet> allowed);
  // The probability of `label` at `token`.
  float marginal(size_t token, uint8_t label) const {
    return forward_[token][label] * backward_[token][label];
  }
  // The probability that tokens [first, first + labels.size()) carry exactly these labels.
  double path_probability(size_t first, std::span<const uint8_t> labels) const;
  // Adds `weight` times the expected number of each pair of neighbouring labels.
  void add_pairs(float weight, Transitions& sums) const;

 private:
  std::vector<Scores> emission_, forward_, backward_;  // emission_: exponentials, scaled to max 1
  std::vector<float> scale_;                           // sum of the forward values before scaling
  Transitions pair_{};                                 // exponentials
  std::vector<Scores> best_;
  std::vector<std::array<uint8_t, kLabels>> came_from_;
};

}  // namespace wiremill::entities
