// The lattice against the sum and the best of all paths, counted one by one.
#include "plugins/entities/lattice.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace wiremill::entities {
namespace {

struct Example {
  std::vector<Scores> emissions;
  Transitions transitions{};
};

Example example(size_t tokens, unsigned seed) {
  std::mt19937 random(seed);
  const auto value = [&] { return static_cast<float>(random() % 2000) / 500.0F - 2.0F; };
  Example made;
  made.emissions.resize(tokens);
  for (Scores& scores : made.emissions)
    for (float& score : scores) score = value();
  for (auto& row : made.transitions)
    for (float& score : row) score = value();
  return made;
}

// Calls visit(labels, score) for every possible path.
template <class Visit>
void every_path(const Example& made, std::vector<uint8_t>& labels, double score, Visit&& visit) {
  const size_t at = labels.size();
  if (at == made.emissions.size()) {
    if (!leaves_open(labels.back())) visit(labels, score);
    return;
  }
  for (uint8_t l = 0; l < kLabels; ++l) {
    if (at == 0 ? needs_open(l) : !may_follow(labels.back(), l)) continue;
    double next = score + static_cast<double>(made.emissions[at][l]);
    if (at > 0) next += static_cast<double>(made.transitions[labels.back()][l]);
    labels.push_back(l);
    every_path(made, labels, next, visit);
    labels.pop_back();
  }
}

TEST(Lattice, BestPathIsTheBestOfAll) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Example made = example(1 + seed % 4, seed);
    std::vector<uint8_t> best, labels, found(made.emissions.size());
    double best_score = -1e9;
    every_path(made, labels, 0, [&](const std::vector<uint8_t>& path, double score) {
      if (score > best_score) best_score = score, best = path;
    });
    Lattice().best_path(made.emissions, made.transitions, found);
    EXPECT_EQ(found, best);
  }
}

TEST(Lattice, SumsAndMarginalsAreThoseOfAllPaths) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    const Example made = example(2 + seed % 3, seed);
    // Every second example permits only some labels of the first token.
    std::vector<LabelSet> allowed(made.emissions.size(), kAnyLabel);
    if (seed % 2 == 1)
      allowed[0] = only(kOutside) | only(label(Type::Per, Place::Begin)) |
                   only(label(Type::Misc, Place::Unit));
    double sum = 0, outside_last = 0, person = 0;
    const std::vector<uint8_t> name = {label(Type::Per, Place::Begin),
                                       label(Type::Per, Place::Last)};
    std::vector<uint8_t> labels;
    every_path(made, labels, 0, [&](const std::vector<uint8_t>& path, double score) {
      if ((allowed[0] >> path[0] & 1) == 0) return;
      const double share = std::exp(score);
      sum += share;
      if (path.back() == kOutside) outside_last += share;
      if (path[0] == name[0] && path[1] == name[1]) person += share;
    });
    Lattice lattice;
    EXPECT_NEAR(lattice.sum_paths(made.emissions, made.transitions, allowed), std::log(sum), 1e-4);
    EXPECT_NEAR(lattice.marginal(made.emissions.size() - 1, kOutside), outside_last / sum, 1e-4);
    EXPECT_NEAR(lattice.path_probability(0, name), person / sum, 1e-4);
    Transitions pairs{};
    lattice.add_pairs(1, pairs);
    float total = 0;
    for (const auto& row : pairs)
      for (const float value : row) total += value;
    EXPECT_NEAR(total, static_cast<float>(made.emissions.size() - 1), 1e-3);
  }
}

TEST(Lattice, NothingAllowedIsMinusInfinity) {
  const Example made = example(1, 1);
  const std::vector<LabelSet> allowed = {only(label(Type::Per, Place::Inside))};
  EXPECT_TRUE(std::isinf(Lattice().sum_paths(made.emissions, made.transitions, allowed)));
}

}  // namespace
}  // namespace wiremill::entities
