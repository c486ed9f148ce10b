// The annotated sets that the tagger learns from and is measured on, each read from its own format
// to one: running text, and names as byte ranges with what the set says about them. Sets differ in
// what they mark, so a name may have several possible types, and where a set marks only some types
// an unmarked word may still be one of the others. Called by the training programs, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/text/segmenter.hpp"
#include "plugins/entities/labels.hpp"
#include "plugins/entities/passage.hpp"

namespace wiremill::entities {

// Types that a name may have, one bit each (bit of Type). 0 is "no name"; kUnknown says nothing.
using TypeSet = uint8_t;
constexpr TypeSet type_set(Type type) {
  return static_cast<TypeSet>(1U << static_cast<unsigned>(type));
}
inline constexpr TypeSet kUnknown = 0x80;

struct Marked {
  uint32_t begin, end;  // bytes of the text
  TypeSet types;
};

struct Example {
  std::string text{}, language{}, name{};
  std::vector<Marked> names{};
  TypeSet unmarked = 0;   // types that the set does not mark
  bool document = false;  // sentences that belong together, in order
  float weight = 1;
};

// An example cut by the host's segmenter, with the labels that each token may have.
struct Prepared {
  const Example* example;
  text::Segmentation segmentation;
  std::vector<LabelSet> labels;
  Input input() const { return {example->text, segmentation.tokens, example->language, {}}; }
};
Prepared prepare(const Example& example, text::Segmenter& segmenter);

// `data` is the folder of all data. The sets that may be learnt from: with `hold_out`, the fifth of
// wikinews-gold that `read_held_out` gives is left out. Throws std::runtime_error naming the file.
std::vector<Example> read_training(const std::string& data, bool hold_out);
std::vector<Example> read_held_out(const std::string& data);
// For measuring only.
std::vector<Example> read_worldwide(const std::string& data);

// The output of `xz -dc` or `tar xJOf` on a file.
std::string read_compressed(const std::string& path, bool archive);

}  // namespace wiremill::entities
