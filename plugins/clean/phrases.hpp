// Phrases that a line may begin with, whatever its case. Most lines begin with none of them, which
// their first three bytes tell, or, beyond ASCII, their first two characters. Constant after
// construction; any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

#include "plugins/clean/letters.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

class Phrases {
 public:
  // Phrases are in lower case, of three bytes and two characters and more; their text outlives this.
  template <class List>
  explicit Phrases(const List& phrases) {
    for (const std::string_view phrase : phrases) add(phrase);
  }

  // False where the line surely begins with none.
  bool may_begin(std::string_view line) const {
    if (line.size() < 3) return false;
    if (static_cast<unsigned char>(line[0]) >= 0x80) return pairs_[pair(line)];
    return openings_[opening(kind(line[0]), kind(line[1]), kind(line[2]))];
  }

  // Among others, those that `lowered` begins with. It is not empty.
  const std::vector<std::string_view>& like(std::string_view lowered) const {
    return groups_[group(lowered)];
  }

 private:
  // A byte whatever its case: ASCII by its lowest bits, one kind for all beyond, since the other
  // case of a character beyond ASCII may have any bytes.
  static constexpr size_t kBeyond = 32, kKinds = 33, kPairs = 4096;
  static size_t kind(char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value < 0x80 ? value % 32 : kBeyond;
  }
  static size_t opening(size_t first, size_t second, size_t third) {
    return (first * kKinds + second) * kKinds + third;
  }
  // The first two characters, in lower case.
  static size_t pair(std::string_view text) {
    size_t at = 0;
    const size_t first = lowered(next_character(text, at));
    return (first * 31 + (at < text.size() ? lowered(next_character(text, at)) : 0)) % kPairs;
  }
  static size_t group(std::string_view lowered) {
    const size_t second = lowered.size() > 1 ? static_cast<unsigned char>(lowered[1]) : 0;
    return (static_cast<unsigned char>(lowered[0]) * 31U + second) % 256;
  }

  void add(std::string_view phrase) {
    groups_[group(phrase)].push_back(phrase);
    const size_t first = kind(phrase[0]), second = kind(phrase[1]);
    pairs_.set(pair(phrase));
    // A character beyond ASCII may become an ASCII letter when lowered.
    for (const size_t third : {kind(phrase[2]), kBeyond})
      openings_.set(opening(first, second, third));
  }

  std::array<std::vector<std::string_view>, 256> groups_;
  std::bitset<kKinds * kKinds * kKinds> openings_;
  std::bitset<kPairs> pairs_;
};

}  // namespace wiremill::clean
