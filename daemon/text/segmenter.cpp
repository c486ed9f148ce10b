// The host's one segmenter: tokens first, then sentences over them. One object per worker thread.
#include "daemon/text/segmenter.hpp"

#include "daemon/text/language_rules.hpp"
#include "daemon/text/sentence_splitter.hpp"
#include "daemon/text/tokenizer.hpp"

namespace wiremill::text {

struct Segmenter::Rules {
  Tokenizer tokenizer;
  std::vector<TokenNote> notes;  // kept for its memory
};

Segmenter::Segmenter() : rules_(std::make_unique<Rules>()) {}
Segmenter::~Segmenter() = default;

void Segmenter::segment(std::string_view text, std::string_view language, Segmentation& out) {
  const LanguageRules& rules = LanguageRules::of(language);
  rules_->tokenizer.tokenize(text, rules, out.tokens, rules_->notes);
  split_sentences(text, rules, rules_->notes, out.tokens, out.sentences);
}

}  // namespace wiremill::text
