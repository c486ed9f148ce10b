// The model: what the trainer learnt, in one file beside the plugin.
//
//   "WMENTITY", u32 version, u32 CRC-32C of all that follows, then sections, each u64 size and that
//   many bytes, padded to 8: parameters, weights, second weights, gazetteer, clusters
//
// Little endian. Opened once by the stage's constructor; constant afterwards, read by any thread. The
// file is mapped, so that all processes of the stage share its pages, in memory and in the processor's
// caches: like the plugin itself it is replaced by another file of its name, never written over.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "plugins/entities/labels.hpp"
#include "plugins/entities/table.hpp"

namespace wiremill::entities {

using Transitions = std::array<std::array<float, kLabels>, kLabels>;  // [before][after]

struct Parameters {
  float weight_step = 1;  // the value of one unit of an 8-bit weight
  float second_weight_step = 1;
  Transitions transitions{}, second_transitions{};
};

inline constexpr size_t kClusterSizes = 4;
inline constexpr size_t kClusterWidth = kClusterSizes * sizeof(uint16_t);
inline constexpr size_t kGazetteerWidth = sizeof(uint16_t);
inline constexpr size_t kPhraseTokensMax = 6;

// What is known of words and phrases beyond the text.
struct Lexicon {
  Table gazetteer;  // phrase hash -> set of classes (bit = index in kGazetteerClasses)
  Table clusters;   // word hash -> four cluster numbers
};

inline constexpr std::array<std::string_view, 11> kGazetteerClasses = {
    "ADM", "ADM2", "CAP", "CITY", "CTRY", "DEM", "FN", "LANG", "NM", "PPL", "REG"};

// The file's sections as the trainer makes them.
struct ModelSections {
  Parameters parameters;
  std::string weights, second_weights, gazetteer, clusters;
};
std::string encode_model(const ModelSections& sections);

class Model {
 public:
  // The whole file is read and checked. Errors name the path.
  static Result<Model> open(const std::string& path);

  const Parameters& parameters() const { return parameters_; }
  const Table& weights() const { return weights_; }                // rows of kLabels int8_t
  const Table& second_weights() const { return second_weights_; }  // likewise
  const Lexicon& lexicon() const { return lexicon_; }

 private:
  // `bytes` begin at a multiple of 8; `owner` keeps them.
  static Result<Model> decode(std::string_view bytes, std::shared_ptr<const void> owner);

  std::shared_ptr<const void> owner_;
  Parameters parameters_;
  Table weights_, second_weights_;
  Lexicon lexicon_;
};

}  // namespace wiremill::entities
