// The words of a story; see story_words.hpp. Runs over all of its prose.
#include "plugins/clean/story_words.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "daemon/base/eight_bytes.hpp"
#include "plugins/clean/letters.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kStemLetters = 6;  // words alike so far are one word, inflected
constexpr size_t kLeadLines = 2;
constexpr size_t kBytesOfWord = 6;  // of text, for each word that carries meaning; rarely fewer
constexpr uint64_t kMixed = uint64_t{1} << 63;

constexpr uint64_t with_letter(uint64_t key, char32_t letter) {
  key = (key ^ letter) * 0x9e3779b97f4a7c15U;
  return (key ^ key >> 29) | kMixed;
}

// A word that grows letter by letter.
class Stem {
 public:
  // Not where the stem is whole.
  void add(char32_t letter) {
    ++letters_;
    is_ascii_ = is_ascii_ && letter < 0x80;
    bytes_ |= uint64_t{letter & 0x7f} << 8 * (letters_ - 1);
    mixed_ = with_letter(mixed_, letter);
  }
  size_t letters() const { return letters_; }
  bool is_whole() const { return letters_ == kStemLetters; }
  uint64_t key() const { return is_ascii_ ? bytes_ : mixed_; }

 private:
  uint64_t bytes_ = 0, mixed_ = 1;
  size_t letters_ = 0;
  bool is_ascii_ = true;
};

// The word at `at` by its first eight bytes, where those, or all up to its end, are ASCII letters and
// digits and thus tell its stem.
struct AsciiWord {
  uint64_t key;
  size_t size;  // 8: it may go on
  bool has_digit;
};
inline std::optional<AsciiWord> ascii_word(std::string_view line, size_t at) {
  const uint64_t bytes = load_eight(line, at);
  const uint64_t digits = digits_within(bytes);
  const uint64_t others = ~(letters_within(bytes) | digits) & kEachTop;
  const uint64_t end = others & -others;  // the top of the byte behind the word
  if ((bytes & end) != 0) return std::nullopt;
  const uint64_t word = (end >> 7) - 1;  // all ones where there is no end
  constexpr uint64_t kStem = (uint64_t{1} << 8 * kStemLetters) - 1;
  return AsciiWord{(bytes | 0x20 * kEachByte) & word & kStem, bytes_before(end),
                   (digits & word) != 0};
}

// Where the word ends that goes on at `at`.
size_t word_end(std::string_view line, size_t at) {
  while (at < line.size()) {
    const uint64_t bytes = load_eight(line, at);
    const uint64_t others = ~(letters_within(bytes) | digits_within(bytes)) & kEachTop;
    at += bytes_before(others);
    if (others == 0) continue;
    if (at == line.size() || static_cast<unsigned char>(line[at]) < 0x80) break;
    size_t next = at;
    const char32_t c = next_character(line, next);
    const uint8_t traits = traits_of(c);
    if ((traits & (kAlphabetic | kDigit)) == 0 || (is_wide(c) && (traits & kAlpha) != 0)) break;
    at = next;
  }
  return at;
}

// Visits the words that may carry meaning: four letters or more, or a figure; of wide scripts every
// two characters in a row.
template <class Visit>
void each_content_word(std::string_view line, Visit&& visit) {
  Stem stem;
  char32_t wide_before = 0;
  bool has_digit = false;
  const auto finish = [&] {
    if (stem.letters() >= 4 || has_digit) visit(stem.key());
    stem = {};
    has_digit = false;
  };
  for (size_t at = 0; at < line.size();) {
    if (stem.letters() == 0) {
      if (const auto word = ascii_word(line, at)) {
        if (word->size >= 4 || word->has_digit) visit(word->key);
        at = word->size < 8 ? at + word->size + 1 : word_end(line, at + 8);
        wide_before = 0;
        continue;
      }
    }
    const char32_t c = next_character(line, at);
    const uint8_t traits = traits_of(c);
    if (is_wide(c) && (traits & kAlpha) != 0) {
      finish();
      if (wide_before != 0) visit(with_letter(with_letter(2, wide_before), c));
      wide_before = c;
      continue;
    }
    wide_before = 0;
    if ((traits & (kAlphabetic | kDigit)) == 0) {
      if (stem.letters() > 0) finish();
      continue;
    }
    has_digit = has_digit || (traits & kDigit) != 0;
    stem.add(lowered(c));
    if (stem.is_whole()) at = word_end(line, at);
  }
  finish();
}

}  // namespace

StoryWords::StoryWords(const std::vector<Line>& lines, Segment story) {
  size_t bytes = 0;
  for (size_t i = story.begin; i < story.end; ++i) bytes += lines[i].text.size();
  std::vector<WordKey> words;
  words.reserve(bytes / kBytesOfWord);
  std::vector<std::pair<size_t, size_t>> leads;  // which of the words stand in the opening
  leads.reserve(kLeadLines);
  for (size_t i = story.begin; i < story.end; ++i) {
    if (!is_prose(lines[i])) continue;
    const size_t before = words.size();
    each_content_word(lines[i].text, [&](WordKey word) { words.push_back(word); });
    const bool is_lead = lines[i].text.ends_with('.') || lines[i].shape.stops > 1;
    if (is_lead && leads.size() < kLeadLines) leads.emplace_back(before, words.size());
  }
  total_ = words.size();
  slots_.resize(std::bit_ceil(2 * total_ + 1));
  for (const WordKey word : words) {
    Counted& counted = slots_[slot_of(word)];
    counted.word = word;
    ++counted.times;
  }
  for (const auto& [begin, end] : leads)
    for (size_t i = begin; i < end; ++i) slots_[slot_of(words[i])].in_lead = true;
}

Overlap StoryWords::with(std::string_view line, bool own) const {
  Overlap overlap;
  float all = 0;
  std::vector<WordKey> words;
  words.reserve(line.size() / kBytesOfWord + 1);
  each_content_word(line, [&](WordKey word) { words.push_back(word); });
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  for (const WordKey word : words) {
    const Counted& counted = slots_[slot_of(word)];
    // A word in every second sentence says little.
    const float weight = counted.times > 4 && counted.times * 60 > total_ ? 0.5F : 1;
    all += weight;
    if (counted.times > (own ? 1U : 0U)) {
      overlap.found += weight;
      if (counted.in_lead) overlap.lead_share += weight;
    }
  }
  if (all > 0) {
    overlap.share = overlap.found / all;
    overlap.lead_share /= all;
  }
  return overlap;
}

size_t StoryWords::slot_of(WordKey word) const {
  const uint64_t mixed = word * 0x9e3779b97f4a7c15U;
  size_t slot = (mixed ^ mixed >> 32) & (slots_.size() - 1);
  while (slots_[slot].times > 0 && slots_[slot].word != word)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

}  // namespace wiremill::clean
