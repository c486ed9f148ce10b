// Training of a linear-chain conditional random field by AdaGrad on single sentences. Where a token
// may have several labels (sets that mark only part of the types) the likelihood of all permitted
// paths together is raised. Features are dropped at random, so that no name is learnt by its words
// alone. The same data and settings give the same weights, bit for bit: one thread, own generator
// of random numbers.
//
// Duchi, Hazan, Singer: Adaptive Subgradient Methods, JMLR 2011. Täckström et al.: Token and Type
// Constraints for Cross-Lingual POS Tagging, TACL 2013 (partial labels).
// Called by train.cpp; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plugins/entities/lattice.hpp"

namespace wiremill::entities {

// A sentence with the features of its tokens as numbers of rows.
struct Sample {
  uint32_t document = 0;
  float weight = 1;
  std::vector<LabelSet> allowed;
  std::vector<uint32_t> starts;  // of each token's rows in `rows`, and their end
  std::vector<uint32_t> rows;
  std::vector<Scores> base;  // added to the scores; empty for none
};

struct CrfSettings {
  int epochs = 8;
  float rate = 0.1F;
  float drop = 0.2F;  // the share of features left out
};

class Crf {
 public:
  explicit Crf(size_t rows) : weights_(rows), squares_(rows) {}

  // Learns from `samples` whose index is in `chosen`.
  void train(std::span<const Sample> samples, std::vector<uint32_t> chosen,
             const CrfSettings& settings);
  // Scores of a sample's tokens, its base included.
  void score(const Sample& sample, std::vector<Scores>& scores) const;

  const Transitions& transitions() const { return transitions_; }
  // The `rows_max` rows with the greatest weights, in 8 bits; answers the value of a unit.
  float quantise(std::span<const uint32_t> keys, size_t rows_max,
                 std::vector<std::pair<uint32_t, std::string>>& rows) const;

 private:
  static constexpr size_t kLanes = 24;
  struct alignas(32) Row {
    float value[kLanes] = {};
  };
  double step(const Sample& sample, const CrfSettings& settings, float rate);
  void select(const Sample& sample, float drop);
  uint64_t random();

  std::vector<Row> weights_, squares_;
  Transitions transitions_{}, transition_squares_{};
  Lattice free_, bound_;
  std::vector<Scores> scores_;
  std::vector<uint32_t> kept_, kept_starts_;
  uint64_t random_ = 0x9e3779b97f4a7c15ULL;
};

}  // namespace wiremill::entities
