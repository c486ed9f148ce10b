// What differs between languages for the cutting of tokens and sentences: abbreviations, the words
// that begin sentences, clitics, ordinals. Called by the tokenizer and the sentence splitter. The
// tables are constant; any thread.
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace wiremill::text {

enum class Abbreviation : unsigned char {
  None,
  Title,    // never ends a sentence: Mr., Dr., e.g., vs.
  Numeric,  // an abbreviation only before a digit: No., p., Art.
  Common,   // ends a sentence where a capitalised word that often begins one follows: Inc., U.S.
};

enum class Clitics : unsigned char {
  None,
  Possessive,  // "China" "'s"
  English,     // and "do" "n't", "we" "'ll"
  Elision,     // and "l'" "homme", "dell'" "acqua"
};

class LanguageRules {
 public:
  // `code` as in wm_language, or empty; a language without rules of its own gets the general ones.
  static const LanguageRules& of(std::string_view code);

  // The kind of `word` (without its last dot) as an abbreviation by the tables.
  Abbreviation abbreviation(std::string_view word) const;
  // Whether `word`, whatever its case, is one of the common words that begin sentences.
  bool begins_sentences(std::string_view word) const;
  // Whether `word`, which ends where an apostrophe stands, is elided before the next word.
  bool is_elision(std::string_view word) const;

  Clitics clitics = Clitics::Possessive;
  bool capitals_after_ordinals = false;   // German: "am 12. Juni"
  bool guillemets_point_outwards = true;  // « … »; in Danish and German books they point inwards
  char ascii_full_stop = 0;               // Greek asks with ";", Armenian is often typed with ":"

 private:
  LanguageRules() = default;
  void add(std::string_view words, Abbreviation kind);
  static LanguageRules make(std::string_view code);

  std::unordered_map<std::string_view, Abbreviation> abbreviations_;
  std::unordered_set<std::string_view> starters_;
  std::unordered_set<std::string_view> elisions_;
};

}  // namespace wiremill::text
