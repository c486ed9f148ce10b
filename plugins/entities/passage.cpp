// How a passage is looked at before its tokens are scored: sentences, runs of capitalised words,
// gazetteer matches, the writing of each word. See passage.hpp; the features are in features.cpp.
#include "plugins/entities/passage.hpp"

#include <algorithm>
#include <cstring>

namespace wiremill::entities {
namespace {

constexpr uint32_t kNoRun = UINT32_MAX;

bool is_german(std::string_view language) {
  return language == "de" || language == "lb" || language == "nds" || language == "gsw";
}

}  // namespace

Passage::Passage(const Input& input, std::span<const wm_token> tokens, const Lexicon& lexicon)
    : tokens_(tokens) {
  words_.reserve(tokens.size());
  size_t cyrillic = 0, cased = 0;
  for (const wm_token& token : tokens) {
    const Word word =
        look_at(input.text.substr(token.begin, token.end - token.begin), token.kind, lexicon);
    cyrillic += word.cyrillic;
    cased += word.letters != Case::None;
    words_.push_back(word);
  }
  if (2 * cyrillic > cased)
    group_ = Group::Cyrillic;
  else if (is_german(input.language))
    group_ = Group::German;
  cut_sentences();
  find_runs();
  match_gazetteer(lexicon);
  for (const Stretch& stretch : stretches_)
    for (uint32_t i = stretch.first; i < stretch.end; ++i) {
      const Word& word = words_[i];
      if (word.letters == Case::Lower)
        ++writing_[word.lower].lower;
      else if (word.capital() && i > stretch.first && capital_share_[i] < 3)
        ++writing_[word.lower].capital;
    }
  add_title(input.title, lexicon);
}

void Passage::cut_sentences() {
  const auto count = static_cast<uint32_t>(tokens_.size());
  capital_share_.resize(count);
  for (uint32_t first = 0; first < count;) {
    uint32_t end = first + 1;
    while (end < count && tokens_[end].sentence == tokens_[first].sentence &&
           end - first < kSentenceTokensMax)
      ++end;
    stretches_.push_back({first, end});
    uint32_t capitals = 0, cased = 0;
    for (uint32_t i = first; i < end; ++i) {
      capitals += words_[i].capital();
      cased += words_[i].letters != Case::None;
    }
    const auto share = static_cast<uint8_t>(cased == 0 ? 0 : 4 * capitals / cased);
    std::fill(capital_share_.begin() + first, capital_share_.begin() + end, share);
    first = end;
  }
}

void Passage::find_runs() {
  run_of_.assign(tokens_.size(), kNoRun);
  for (const Stretch& stretch : stretches_)
    for (uint32_t i = stretch.first; i < stretch.end;) {
      if (!words_[i].capital()) {
        ++i;
        continue;
      }
      uint32_t end = i + 1;
      while (end < stretch.end && words_[end].capital()) ++end;
      for (uint32_t j = i; j < end; ++j) run_of_[j] = static_cast<uint32_t>(runs_.size());
      runs_.push_back({i, end});
      i = end;
    }
}

void Passage::match_gazetteer(const Lexicon& lexicon) {
  enum { kBegin = 1, kInside = 2, kLast = 4, kWhole = 8 };
  matches_.assign(tokens_.size(), 0);
  for (const Stretch& stretch : stretches_)
    for (uint32_t first = stretch.first; first < stretch.end; ++first) {
      if (!words_[first].capital()) continue;
      uint64_t phrase = 0;
      const uint32_t end = std::min<uint32_t>(stretch.end, first + kPhraseTokensMax);
      for (uint32_t last = first; last < end; ++last) {
        phrase = extend_phrase(phrase, words_[last].lower);
        const uint8_t* row = lexicon.gazetteer.find(word_key(phrase));
        if (row == nullptr) continue;
        uint16_t classes = 0;
        std::memcpy(&classes, row, sizeof classes);
        for (unsigned c = 0; c < kGazetteerClasses.size(); ++c) {
          if ((classes >> c & 1) == 0) continue;
          const auto mark = [&](uint32_t at, uint64_t place) { matches_[at] |= place << (4 * c); };
          if (first == last) {
            mark(first, kWhole);
            continue;
          }
          mark(first, kBegin);
          for (uint32_t i = first + 1; i < last; ++i) mark(i, kInside);
          mark(last, kLast);
        }
      }
    }
}

// The title is no part of the text; its small words still tell how words are written.
void Passage::add_title(std::string_view title, const Lexicon& lexicon) {
  constexpr std::string_view kBlanks = " \t\r\n.,:;!?\"()";
  for (size_t at = 0; (at = title.find_first_not_of(kBlanks, at)) != title.npos;) {
    const size_t end = std::min(title.size(), title.find_first_of(kBlanks, at));
    const Word word = look_at(title.substr(at, end - at), WM_TOKEN_WORD, lexicon);
    if (word.letters == Case::Lower) ++writing_[word.lower].lower;
    at = end;
  }
}

}  // namespace wiremill::entities
