// What the first pass over a passage says about each word elsewhere in the same passage: the second
// pass's features. "Nurtleu" alone is hard; it is easy after "Minister Murat Nurtleu" was read as a
// person three lines above, and "SCO" after "Shanghai Cooperation Organization". The second pass
// adds its scores to those of the first, which are kept, so it costs a tenth of it.
//
// Krishnan, Manning: An effective two-stage model for exploiting non-local dependencies in named
// entity recognition, ACL 2006. Called by Tagger and the trainer; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "plugins/entities/labels.hpp"
#include "plugins/entities/passage.hpp"

namespace wiremill::entities {

// Tokens of one name, as labelled.
struct Chunk {
  Type type;
  uint32_t first, end;
};

// The names in `labels`, ascending. `labels` are a path that Lattice gave.
std::vector<Chunk> chunks_of(std::span<const uint8_t> labels);

class Evidence {
 public:
  // Both outlive the object.
  Evidence(const Passage& passage, std::span<const uint8_t> labels);

  // Replaces `out` by the features of token `at`, which stands in `stretch`.
  void features(const Stretch& stretch, uint32_t at, std::vector<uint32_t>& out) const;

 private:
  using Votes = std::array<uint32_t, kLabels>;
  const Passage& passage_;
  std::span<const uint8_t> labels_;
  std::vector<uint64_t> phrase_of_;  // of the chunk that a token stands in; 0 outside
  std::unordered_map<uint64_t, Votes> words_;
  std::unordered_map<uint64_t, std::array<uint32_t, kTypes>> phrases_;
  std::unordered_map<uint64_t, Type> initials_;
};

}  // namespace wiremill::entities
