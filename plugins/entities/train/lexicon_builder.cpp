// Phrases and words are cut and hashed as the tagger does it: see lexicon_builder.hpp.
#include "plugins/entities/train/lexicon_builder.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>
#include <vector>

#include "plugins/entities/model.hpp"
#include "plugins/entities/train/corpus.hpp"
#include "plugins/entities/words.hpp"

namespace wiremill::entities {
namespace {

std::string row_of(const void* values, size_t size) {
  return {static_cast<const char*>(values), size};
}

// A lexicon of nothing, to look at words with.
struct NoLexicon {
  std::string bytes = Table::encode({}, 1);
  Lexicon lexicon;
  NoLexicon() {
    lexicon.gazetteer = *Table::parse(bytes, kGazetteerWidth);
    lexicon.clusters = *Table::parse(bytes, kClusterWidth);
  }
};

std::string build_gazetteer(const std::string& listing, text::Segmenter& segmenter,
                            const Lexicon& nothing) {
  std::map<uint32_t, uint16_t> classes;
  text::Segmentation cut;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    const auto found = std::find(kGazetteerClasses.begin(), kGazetteerClasses.end(),
                                 std::string_view(line).substr(0, tab));
    if (found == kGazetteerClasses.end()) continue;
    const std::string phrase = line.substr(tab + 1);
    segmenter.segment(phrase, "en", cut);
    if (cut.tokens.empty() || cut.tokens.size() > kPhraseTokensMax) continue;
    uint64_t hash = 0;
    for (const wm_token& token : cut.tokens)
      hash = extend_phrase(
          hash, look_at(std::string_view(phrase).substr(token.begin, token.end - token.begin),
                        token.kind, nothing)
                    .lower);
    classes[word_key(hash)] |= static_cast<uint16_t>(1U << (found - kGazetteerClasses.begin()));
  }
  std::vector<std::pair<uint32_t, std::string>> rows;
  for (const auto& [key, set] : classes) rows.emplace_back(key, row_of(&set, sizeof set));
  return Table::encode(std::move(rows), kGazetteerWidth);
}

std::string build_clusters(const std::string& listing, const Lexicon& nothing) {
  std::vector<std::pair<uint32_t, std::string>> rows;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string word;
    std::array<uint16_t, kClusterSizes> clusters{};
    if (!std::getline(fields, word, '\t') || word.empty()) continue;
    // Numbers count from 1 here: 0 is an unknown word.
    for (uint16_t& cluster : clusters)
      if (fields >> cluster) ++cluster;
    rows.emplace_back(word_key(look_at(word, WM_TOKEN_WORD, nothing).lower),
                      row_of(clusters.data(), kClusterWidth));
  }
  return Table::encode(std::move(rows), kClusterWidth);
}

}  // namespace

LexiconTables build_lexicon(const std::string& data, text::Segmenter& segmenter) {
  const NoLexicon nothing;
  return {build_gazetteer(read_compressed(data + "/ner/gazetteers/gaz.txt.xz", false), segmenter,
                          nothing.lexicon),
          build_clusters(read_compressed(data + "/ner/gazetteers/clusters.txt.xz", false),
                         nothing.lexicon)};
}

}  // namespace wiremill::entities
