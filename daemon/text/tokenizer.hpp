// Tokens of a text, and beside each what the sentence splitter needs to know of it. Called by the
// Segmenter. One Tokenizer per thread.
#pragma once

#include <wiremill/plugin.h>

#include <memory>
#include <string_view>
#include <vector>

#include "daemon/text/language_rules.hpp"

namespace wiremill::text {

enum class Shape : uint8_t {
  UpperWord,     // begins with a capital
  LowerWord,     // begins with a small letter and has no capital
  CaselessWord,  // of a script without case
  Number,
  Dot,       // a run of full stops, or an ellipsis
  Bang,      // ! or ?
  FullStop,  // 。 and its like: ends a sentence without a blank
  Comma,
  Quote,
  Open,
  Close,
  Dash,
  Bullet,
  Other,
};

struct TokenNote {
  Shape shape = Shape::Other;
  bool blank_before = false;
  bool line_before = false;  // first of its line
  bool initial = false;      // "J."
  // Set where the token holds its own last dot.
  Abbreviation abbreviation = Abbreviation::None;
};

class Tokenizer {
 public:
  Tokenizer();
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Replaces what `tokens` and `notes` held; they end with one entry per token. Leaves
  // wm_token.sentence zero.
  void tokenize(std::string_view text, const LanguageRules& rules, std::vector<wm_token>& tokens,
                std::vector<TokenNote>& notes);

 private:
  struct Dictionaries;
  std::unique_ptr<Dictionaries> dictionaries_;
};

}  // namespace wiremill::text
