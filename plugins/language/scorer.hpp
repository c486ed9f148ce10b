// How well a text fits each language of the model, by the n-grams of its words.
//
// The score of a language is the sum, over the symbols of the words (letters, and the edge after
// each word) and the n-grams of one to five symbols that end there, of the weight that the model
// holds for the n-gram and the language: a linear form of a back-off language model, see
// train/builder.cpp. Differences between two languages' scores are log likelihood ratios in nats.
//
// Speed is the memory's: the table is larger than the second-level cache and an n-gram costs two
// reads at random. Up to kBlockGrams n-grams are hashed first, and their buckets fetched ahead in
// two waves, before any is read. Those that many languages know have a row of weights for all of
// them; a block's rows are added up together in the processor's vectors.
//
// Used by `detect`; a Scorer may be used by one thread at a time, its model by any.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "plugins/language/grams.hpp"
#include "plugins/language/model.hpp"

namespace wiremill::language {

struct Scores {
  std::array<int32_t, kLanguagesMax> sums{};  // in the model's units, by the language's number
  uint32_t symbols = 0;
};

class Scorer {
 public:
  explicit Scorer(const Model& model) : model_(model) {}

  // Adds what the words of `text`, valid UTF-8, say. A word does not go on from call to call.
  void add(std::string_view text, Scores& scores);

  static constexpr size_t kBlockGrams = 240;  // looked up together

 private:
  void begin_word();
  void push(uint32_t symbol, Scores& scores);
  void flush(Scores& scores);

  const Model& model_;
  std::array<uint32_t, kGramMax> window_{};  // the last symbols, the newest first
  size_t depth_ = 0;                         // how many of them belong to this word
  std::array<uint64_t, kBlockGrams> hashes_{};
  size_t count_ = 0;
};

}  // namespace wiremill::language
