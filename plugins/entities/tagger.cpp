// Two passes of a linear-chain conditional random field over each passage. The first scores every
// token by hashed features of 8-bit weights and takes the best path; the second adds what the first
// found elsewhere in the passage (evidence.hpp) and takes the best path again, with its marginals
// as confidence. Then the edges of names are put right: possessives and titles stay outside.
// See tagger.hpp.
#include "plugins/entities/tagger.hpp"

#include <algorithm>
#include <array>

#include "plugins/entities/evidence.hpp"
#include "plugins/entities/lattice.hpp"

namespace wiremill::entities {
namespace {

// Without training data for a language the English weights still find most names, and junk beside
// them; a mention must then be surer, and not hold more small words than capitalised ones.
constexpr double kForeignConfidenceMin = 0.6;

bool is_trained(std::string_view language, Group group) {
  if (language.empty() || language == "und") return group == Group::Latin;
  return language == (group == Group::Latin ? "en" : group == Group::German ? "de" : "kk");
}

constexpr auto kHonorifics = std::to_array<std::string_view>(
    {"Mr",        "Mr.",      "Mrs",     "Mrs.",       "Ms",        "Ms.",     "Miss",
     "Dr",        "Dr.",      "Prof",    "Prof.",      "Professor", "Sir",     "Lord",
     "Lady",      "Dame",     "Madam",   "Rev.",       "Rev",       "Gen.",    "Col.",
     "Lt.",       "Capt.",    "Sgt.",    "Maj.",       "Sen.",      "Rep.",    "Gov.",
     "President", "Minister", "Premier", "Chancellor", "Senator",   "General", "Captain",
     "Colonel",   "Judge",    "Justice", "King",       "Queen",     "Prince",  "Princess",
     "Pope",      "Bishop",   "Herr",    "Frau"});

bool is_honorific(std::string_view word) {
  return std::find(kHonorifics.begin(), kHonorifics.end(), word) != kHonorifics.end();
}
bool is_possessive(std::string_view word) {
  return word == "'s" || word == "\u2019s" || word == "'" || word == "\u2019" || word == "'S";
}

using Bytes8 = int8_t __attribute__((vector_size(8)));
using Words8 = int16_t __attribute__((vector_size(16)));

}  // namespace

void add_scores(const Table& table, std::span<const uint32_t> features, float step,
                std::array<float, kLabels>& scores) {
  // Three lanes of eight hold the 21 labels; the rest reads into the next row and is not used.
  // 256 rows of at most 127 fit 16 bits.
  static_assert(kLabels <= 24);
  constexpr size_t kRowsMax = 256;
  std::array<const uint8_t*, kRowsMax> rows;
  size_t count = 0;
  for (const uint32_t feature : features)
    if (const uint8_t* row = table.find(feature); row != nullptr && count < kRowsMax) {
      __builtin_prefetch(row);
      rows[count++] = row;
    }
  std::array<Words8, 3> sums{};
  for (size_t i = 0; i < count; ++i)
    for (size_t lane = 0; lane < sums.size(); ++lane) {
      Bytes8 bytes;
      __builtin_memcpy(&bytes, rows[i] + 8 * lane, sizeof bytes);
      sums[lane] += __builtin_convertvector(bytes, Words8);
    }
  for (size_t l = 0; l < kLabels; ++l) scores[l] += step * static_cast<float>(sums[l / 8][l % 8]);
}

std::vector<Mention> Tagger::mentions(const Input& input) const {
  std::vector<Mention> mentions;
  const auto tokens = input.tokens;
  for (size_t first = 0; first < tokens.size();) {
    size_t end = std::min(tokens.size(), first + kPassageTokensMax);
    // Whole sentences, unless one alone is too long.
    if (end < tokens.size()) {
      size_t cut = end;
      while (cut > first && tokens[cut].sentence == tokens[cut - 1].sentence) --cut;
      if (cut > first) end = cut;
    }
    tag_passage(input, tokens.subspan(first, end - first), mentions);
    first = end;
  }
  return mentions;
}

void Tagger::tag_passage(const Input& input, std::span<const wm_token> tokens,
                         std::vector<Mention>& out) const {
  const Passage passage(input, tokens, model_.lexicon());
  const Parameters& parameters = model_.parameters();
  std::vector<Scores> scores(tokens.size(), Scores{});
  std::vector<uint8_t> labels(tokens.size(), kOutside);
  std::vector<uint32_t> features;
  Lattice lattice;
  for (const Stretch& stretch : passage.stretches()) {
    for (uint32_t i = stretch.first; i < stretch.end; ++i) {
      passage.features(stretch, i, features);
      add_scores(model_.weights(), features, parameters.weight_step, scores[i]);
    }
    const size_t count = stretch.end - stretch.first;
    lattice.best_path(std::span(scores).subspan(stretch.first, count), parameters.transitions,
                      std::span(labels).subspan(stretch.first, count));
  }

  const Evidence evidence(passage, labels);
  std::vector<uint8_t> second(kSentenceTokensMax);
  const bool trained = is_trained(input.language, passage.group());
  const auto text_of = [&](uint32_t i) {
    return input.text.substr(tokens[i].begin, tokens[i].end - tokens[i].begin);
  };
  for (const Stretch& stretch : passage.stretches()) {
    const size_t count = stretch.end - stretch.first;
    const auto emissions = std::span(scores).subspan(stretch.first, count);
    for (uint32_t i = stretch.first; i < stretch.end; ++i) {
      evidence.features(stretch, i, features);
      add_scores(model_.second_weights(), features, parameters.second_weight_step, scores[i]);
    }
    const auto path = std::span(second).first(count);
    lattice.best_path(emissions, parameters.second_transitions, path);
    const auto chunks = chunks_of(path);
    if (chunks.empty()) continue;
    lattice.sum_paths(emissions, parameters.second_transitions, {});
    for (Chunk chunk : chunks) {
      const double confidence =
          lattice.path_probability(chunk.first, path.subspan(chunk.first, chunk.end - chunk.first));
      chunk.first += stretch.first;
      chunk.end += stretch.first;
      while (chunk.end - chunk.first > 1 && is_possessive(text_of(chunk.end - 1))) --chunk.end;
      if (chunk.type == Type::Per)
        while (chunk.end - chunk.first > 1 && is_honorific(text_of(chunk.first))) ++chunk.first;
      const auto words = passage.words().subspan(chunk.first, chunk.end - chunk.first);
      // A name is written with a capital somewhere; scripts without capitals were not trained.
      const auto capitals = std::count_if(words.begin(), words.end(),
                                          [](const Word& word) { return word.capital(); });
      const auto smalls = std::count_if(
          words.begin(), words.end(), [](const Word& word) { return word.letters == Case::Lower; });
      if (capitals == 0) continue;
      if (!trained && (confidence < kForeignConfidenceMin || smalls > capitals)) continue;
      Mention mention{chunk.type, tokens[chunk.first].begin, tokens[chunk.end - 1].end, confidence};
      for (const Word& word : words) mention.words.push_back(word.lower);
      out.push_back(std::move(mention));
    }
  }
}

}  // namespace wiremill::entities
