// The tagger: a document's tokens in, its entities out. Holds the model; any number of threads may
// call `tag` on one object at once. Cost: linear in the number of tokens (a sentence of more than
// 256 tokens is cut there), memory bounded by kPassageTokensMax tokens at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/entities/labels.hpp"
#include "plugins/entities/model.hpp"
#include "plugins/entities/passage.hpp"

namespace wiremill::entities {

struct Mention {
  Type type;
  uint32_t begin, end;            // bytes of the text
  double confidence;              // the model's probability that exactly this is a name
  std::vector<uint64_t> words{};  // hashes of its words in small letters
};

struct Entity {
  Type type;
  std::string name;  // the fullest form
  double confidence;
  std::vector<Mention> mentions;  // ascending
};

class Tagger {
 public:
  explicit Tagger(Model model) : model_(std::move(model)) {}

  // The mentions, ascending, not overlapping.
  std::vector<Mention> mentions(const Input& input) const;

 private:
  void tag_passage(const Input& input, std::span<const wm_token> tokens,
                   std::vector<Mention>& out) const;
  Model model_;
};

// Mentions of one name make one entity; a person's surname, or any part of a name in its order,
// joins the fullest form in the document. Entities ascend by their first mention.
std::vector<Entity> group(std::string_view text, std::vector<Mention> mentions);

// Adds the rows of `features` to `scores`, `step` a unit.
void add_scores(const Table& table, std::span<const uint32_t> features, float step,
                std::array<float, kLabels>& scores);

}  // namespace wiremill::entities
