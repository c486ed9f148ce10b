// See scorer.hpp.
#include "plugins/language/scorer.hpp"

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
    hashes_[count_++] = mixed(sum);
  }
  ++scores.symbols;
  if (count_ + kGramMax > hashes_.size()) flush(scores);
}

void Scorer::flush(Scores& scores) {
  for (size_t i = 0; i < count_; ++i) __builtin_prefetch(model_.offset(model_.bucket(hashes_[i])));
  for (size_t i = 0; i < count_; ++i)
    __builtin_prefetch(model_.pool(*model_.offset(model_.bucket(hashes_[i]))));
  for (size_t i = 0; i < count_; ++i) model_.add(hashes_[i], scores.sums.data());
  count_ = 0;
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
