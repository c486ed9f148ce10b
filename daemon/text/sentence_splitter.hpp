// Sentences over the tokens of a text. Called by the Segmenter. Any thread.
#pragma once

#include <wiremill/plugin.h>

#include <string_view>
#include <vector>

#include "daemon/text/language_rules.hpp"
#include "daemon/text/tokenizer.hpp"

namespace wiremill::text {

// Replaces what `sentences` held and sets wm_token.sentence of every token. Linear in the tokens.
void split_sentences(std::string_view text, const LanguageRules& rules,
                     const std::vector<TokenNote>& notes, std::vector<wm_token>& tokens,
                     std::vector<wm_span>& sentences);

}  // namespace wiremill::text
