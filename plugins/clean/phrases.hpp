// Phrases that a line may begin with, whatever its case. Most lines begin with none of them, which
// their first three bytes tell. Constant after construction; any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

namespace wiremill::clean {

class Phrases {
 public:
  // Phrases are in lower case, of three bytes and more; their text outlives this.
  template <class List>
  explicit Phrases(const List& phrases) {
    for (const std::string_view phrase : phrases) add(phrase);
  }

  // False where the line surely begins with none.
  bool may_begin(std::string_view line) const {
    if (line.size() < 3) return false;
    if (static_cast<unsigned char>(line[0]) >= 0x80) return has_wide_;
    return openings_[opening(kind(line[0]), kind(line[1]), kind(line[2]))];
  }

  // Among others, those that `lowered` begins with. It is not empty.
  const std::vector<std::string_view>& like(std::string_view lowered) const {
    return groups_[group(lowered)];
  }

 private:
  // A byte whatever its case: ASCII by its lowest bits, one kind for all beyond, since the other
  // case of a character beyond ASCII may have any bytes.
  static constexpr size_t kBeyond = 32, kKinds = 33;
  static size_t kind(char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value < 0x80 ? value % 32 : kBeyond;
  }
  static size_t opening(size_t first, size_t second, size_t third) {
    return (first * kKinds + second) * kKinds + third;
  }
  static size_t group(std::string_view lowered) {
    const size_t second = lowered.size() > 1 ? static_cast<unsigned char>(lowered[1]) : 0;
    return (static_cast<unsigned char>(lowered[0]) * 31U + second) % 256;
  }

  void add(std::string_view phrase) {
    groups_[group(phrase)].push_back(phrase);
    const size_t first = kind(phrase[0]), second = kind(phrase[1]);
    if (first == kBeyond) has_wide_ = true;
    // A character beyond ASCII may become an ASCII letter when lowered.
    for (const size_t third : {kind(phrase[2]), kBeyond})
      openings_.set(opening(first, second, third));
  }

  std::array<std::vector<std::string_view>, 256> groups_;
  std::bitset<kKinds * kKinds * kKinds> openings_;
  bool has_wide_ = false;  // a phrase begins beyond ASCII
};

}  // namespace wiremill::clean
