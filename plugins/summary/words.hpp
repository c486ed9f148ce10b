// The words of a document that carry meaning, folded so that forms of one word fall together.
// Shared by the choice of sentences and by the keywords. Pure, any thread.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::summary {

// What a summary is made from. Views and spans belong to the caller.
struct Input {
  std::string_view text, language, title;
  std::span<const wm_span> sentences;
  std::span<const wm_token> tokens;
  std::vector<wm_span> names;  // mentions of entities, ascending
};

constexpr uint32_t kNoWord = UINT32_MAX;

struct Words {
  std::vector<uint32_t> of_token;     // index of the word, kNoWord for the rest; one per token
  std::vector<uint32_t> count;        // by word
  std::vector<uint32_t> first_token;  // by word
  std::vector<bool> in_title;         // by word
  size_t title_words = 0;             // content words of the title
};

// Lower case, by Unicode's simple folding.
std::string folded(std::string_view word);

// Whether `word`, folded, is one of the words without a meaning of their own in `language`. For a
// language without a list, words of one or two letters are.
bool is_stop_word(std::string_view word, std::string_view language);

// Words of at most `tokens_max` tokens.
Words words_of(const Input& input, size_t tokens_max);

}  // namespace wiremill::summary
