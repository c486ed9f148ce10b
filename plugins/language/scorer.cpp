// See scorer.hpp.
#include "plugins/language/scorer.hpp"

#include <bit>
#include <cstring>
#include <span>
#include <vector>

namespace wiremill::language {
namespace {

// letter_of for the Basic Multilingual Plane; letters in lower case outside it stand as kNoLetter
// here and are asked for one by one.
const std::vector<uint16_t>& letters_of_bmp() {
  static const auto kLetters = [] {
    std::vector<uint16_t> letters(0x10000);
    for (char32_t c = 0; c < 0x10000; ++c) {
      const uint32_t letter = letter_of(c);
      letters[c] = static_cast<uint16_t>(letter < 0x10000 ? letter : kNoLetter);
    }
    return letters;
  }();
  return kLetters;
}

// Sixteen languages at a time: a vector of eight numbers holds a weight in either half of each.
using Pairs = int16_t __attribute__((vector_size(16)));
constexpr size_t kLanes = sizeof(Pairs);
static_assert(kLanguagesMax % kLanes == 0 && std::endian::native == std::endian::little);
static_assert(Scorer::kBlockGrams * 128 <= INT16_MAX, "a block's sums never overflow");

void add_rows(std::span<const int8_t* const> rows, Scores& scores) {
  for (size_t begin = 0; begin < kLanguagesMax; begin += kLanes) {
    Pairs lower{}, upper{};
    for (const int8_t* const row : rows) {
      Pairs pairs;
      std::memcpy(&pairs, row + begin, sizeof pairs);
      lower += (pairs << 8) >> 8;  // with its sign
      upper += pairs >> 8;
    }
    for (size_t i = 0; i < kLanes / 2; ++i) {
      scores.sums[begin + 2 * i] += lower[i];
      scores.sums[begin + 2 * i + 1] += upper[i];
    }
  }
}

}  // namespace

void Scorer::begin_word() {
  window_[0] = kEdge;
  depth_ = 1;
}

void Scorer::push(uint32_t symbol, Scores& scores) {
  for (size_t i = kGramMax - 1; i > 0; --i) window_[i] = window_[i - 1];
  window_[0] = symbol;
  if (depth_ < kGramMax) ++depth_;
  uint64_t sum = 0;
  for (size_t i = 0; i < depth_; ++i) {
    sum += window_[i] * kPlaceFactors[i];
    const uint64_t hash = mixed(sum);
    __builtin_prefetch(model_.offset(model_.bucket(hash)));
    hashes_[count_++] = hash;
  }
  ++scores.symbols;
  if (count_ + kGramMax > hashes_.size()) flush(scores);
}

void Scorer::flush(Scores& scores) {
  for (size_t i = 0; i < count_; ++i) {
    const uint32_t* const offset = model_.offset(model_.bucket(hashes_[i]));
    __builtin_prefetch(model_.pool(offset[0]));
    __builtin_prefetch(model_.pool(offset[1]));  // a bucket may reach into a second cache line
  }
  std::array<const int8_t*, kBlockGrams> rows;
  size_t row_count = 0;
  for (size_t i = 0; i < count_; ++i) {
    const Model::Found found = model_.find(hashes_[i]);
    if (found.row != nullptr) {
      __builtin_prefetch(found.row);
      rows[row_count++] = found.row;
    }
    for (uint32_t k = 0; k < found.count; ++k)
      scores.sums[found.pairs[2 * k]] += static_cast<int8_t>(found.pairs[2 * k + 1]);
  }
  count_ = 0;
  add_rows({rows.data(), row_count}, scores);
}

void Scorer::add(std::string_view text, Scores& scores) {
  const auto& bmp = letters_of_bmp();
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at = c.next;
    const uint32_t letter = c.value < 0x10000 ? bmp[c.value] : letter_of(c.value);
    if (letter != kNoLetter) {
      if (!in_word) begin_word();
      in_word = true;
      push(letter, scores);
    } else if (in_word) {
      push(kEdge, scores);
      in_word = false;
    }
  }
  if (in_word) push(kEdge, scores);
  flush(scores);
}

}  // namespace wiremill::language
