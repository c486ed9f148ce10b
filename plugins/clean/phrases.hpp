// Phrases that a line may begin with, whatever its case. Most lines begin with none of them, which
// their first two bytes tell. Constant after construction; any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace wiremill::clean {

class Phrases {
 public:
  // Phrases are in lower case, of two bytes and more; their text outlives this.
  template <class List>
  explicit Phrases(const List& phrases) {
    for (const std::string_view phrase : phrases) add(phrase);
  }

  // False where the line surely begins with none.
  bool may_begin(std::string_view line) const {
    if (line.size() < 2) return false;
    const size_t first = byte(line, 0);
    return first < 0x80 ? pairs_[first << 8 | byte(line, 1)] : has_wide_;
  }

  // Those with the first byte of `lowered`, which is not empty.
  const std::vector<std::string_view>& like(std::string_view lowered) const {
    return by_first_[byte(lowered, 0)];
  }

 private:
  static size_t byte(std::string_view text, size_t at) {
    return static_cast<unsigned char>(text[at]);
  }
  static size_t other_case(size_t byte) { return byte >= 'a' && byte <= 'z' ? byte - 32 : byte; }

  void add(std::string_view phrase) {
    const size_t first = byte(phrase, 0), second = byte(phrase, 1);
    by_first_[first].push_back(phrase);
    has_wide_ = has_wide_ || first >= 0x80;
    if (first >= 0x80) return;
    for (const size_t one : {first, other_case(first)}) {
      for (const size_t two : {second, other_case(second)}) pairs_.set(one << 8 | two);
      // The other case of a character beyond ASCII may have any bytes.
      for (size_t two = 0x80; second >= 0x80 && two < 0x100; ++two) pairs_.set(one << 8 | two);
    }
  }

  std::array<std::vector<std::string_view>, 256> by_first_;
  std::bitset<0x8000> pairs_;  // first bytes, of ASCII
  bool has_wide_ = false;      // a phrase begins beyond ASCII
};

}  // namespace wiremill::clean
