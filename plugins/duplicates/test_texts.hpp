// Made-up texts for the tests of this folder: the same seed gives the same text everywhere.
#pragma once

#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace wiremill::duplicates {

inline std::string make_word(std::mt19937& random) {
  std::string word;
  for (size_t letters = 2 + random() % 8; letters > 0; --letters)
    word += static_cast<char>('a' + random() % 26);
  return word;
}

inline std::string make_text(uint32_t seed, size_t words) {
  std::mt19937 random(seed);
  std::string text;
  for (size_t i = 0; i < words; ++i) text += make_word(random) + (i % 9 == 8 ? ". " : " ");
  return text;
}

// The text with `changes` of its words, taken at random, replaced.
inline std::string change_words(const std::string& text, uint32_t seed, size_t changes) {
  std::mt19937 random(seed + 77);
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  for (size_t i = 0; i < changes; ++i) words[random() % words.size()] = make_word(random);
  std::string changed;
  for (const std::string& word : words) changed += word + " ";
  return changed;
}

}  // namespace wiremill::duplicates
