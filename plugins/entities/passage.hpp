// A passage: up to 65,536 tokens of a document in whole sentences, looked at once, and the features
// of its tokens. What the trainer learns from and what the tagger scores are the same numbers from
// the same code: this file is that code's only door.
//
// Features are 32-bit hashes of {template, values}; most templates fire for a token once. They
// look at the word, its neighbours (two each side), the run of capitalised words that it stands in
// and what stands before and behind that run, the gazetteers' phrases that cover it, and at how the
// same word is written elsewhere in the passage ("the turkey" against "in Turkey").
//
// Languages fall in three groups that write names differently: those that capitalise names only,
// in Latin script; German, which capitalises every noun; Cyrillic script. The second and third
// have their own features, and share with the first the word itself and the gazetteers.
//
// Called by Tagger and the trainer; any thread, one Passage a call.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plugins/entities/model.hpp"
#include "plugins/entities/words.hpp"

namespace wiremill::entities {

// A document as the host hands it over; views, valid for the call.
struct Input {
  std::string_view text;
  std::span<const wm_token> tokens;
  std::string_view language, title;
};

enum class Group : uint8_t { Latin, German, Cyrillic };

inline constexpr size_t kPassageTokensMax = 65536;
inline constexpr size_t kSentenceTokensMax = 256;

// A sentence, or a piece of one that has more than kSentenceTokensMax tokens.
struct Stretch {
  uint32_t first, end;  // tokens of the passage
};

class Passage {
 public:
  // `tokens` are a part of `input.tokens`.
  Passage(const Input& input, std::span<const wm_token> tokens, const Lexicon& lexicon);

  std::span<const Stretch> stretches() const { return stretches_; }
  std::span<const Word> words() const { return words_; }
  std::span<const wm_token> tokens() const { return tokens_; }
  Group group() const { return group_; }

  // Replaces `out` by the features of token `at`, which stands in `stretch`.
  void features(const Stretch& stretch, uint32_t at, std::vector<uint32_t>& out) const;

 private:
  struct Writing {  // how often a word is written in the passage
    uint32_t lower = 0, capital = 0;
  };
  struct Run {  // capitalised words side by side
    uint32_t first, end;
  };
  void cut_sentences();
  void find_runs();
  void match_gazetteer(const Lexicon& lexicon);
  void add_title(std::string_view title, const Lexicon& lexicon);

  std::span<const wm_token> tokens_;
  std::vector<Word> words_;
  std::vector<Stretch> stretches_;
  std::vector<uint32_t> run_of_;  // index into runs_, or kNoRun
  std::vector<Run> runs_;
  std::vector<uint64_t> matches_;       // 4 bits a gazetteer class: begin, inside, last, whole
  std::vector<uint8_t> capital_share_;  // of each token's sentence, 0 … 4
  std::unordered_map<uint64_t, Writing> writing_;
  Group group_ = Group::Latin;
};

}  // namespace wiremill::entities
