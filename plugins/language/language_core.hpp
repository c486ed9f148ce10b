// The language of a text: the n-gram scorer and CLD2 as two voices, a probability that can be
// relied on, and the spans of texts that mix languages. Called by the stage and by the measuring
// program; a Detector is constant, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/language/calibration.hpp"
#include "plugins/language/letters.hpp"
#include "plugins/language/model.hpp"
#include "plugins/language/scorer.hpp"

namespace wiremill::language {

struct Settings {
  std::vector<std::string> languages;  // the candidates; empty for all
  size_t bytes_max = 64 * 1024;        // how much of a text is looked at
};

struct Alternative {
  std::string code;
  double confidence = 0;
};

struct Span {
  uint32_t begin = 0, end = 0;
  std::string code;
};

struct Detection {
  std::string code = "und";  // ISO 639-1 where one exists, else 639-3; "und", "zxx"
  double confidence = 0;
  std::string script = "Zyyy";            // ISO 15924, of most letters; Zyyy where there is none
  std::vector<Alternative> alternatives;  // descending, without `code`; see alternatives_of
  std::vector<Span> spans;                // only where the text mixes languages
};

class Detector {
 public:
  static Result<Detector> open(const std::string& model_path);
  explicit Detector(Model model);

  // `text` is valid UTF-8. `evidence`, where given, receives what stood behind the answer.
  Detection detect(std::string_view text, const Settings& settings,
                   Evidence* evidence = nullptr) const;

 private:
  // The model's languages that may be answered, by number.
  using Admitted = std::array<bool, kLanguagesMax>;

  Admitted admitted_in(uint8_t script, const Settings& settings) const;
  // The language of a stripped text as if it had only one.
  Detection identify(std::string_view text, const Letters& letters, const Settings& settings,
                     Evidence* evidence) const;
  Evidence weigh(std::string_view text, const Letters& letters, const Settings& settings) const;

  // mixed.cpp
  bool looks_mixed(std::string_view text, const Settings& settings, const Letters& letters) const;
  std::vector<Span> mixed_spans(std::string_view text, const Settings& settings) const;
  std::optional<size_t> sure_language(std::string_view piece, const Settings& settings,
                                      double nats) const;
  std::vector<size_t> languages_in(std::string_view text, const Settings& settings) const;

  Model model_;
  std::array<Admitted, 256> admitted_{};  // by script
  std::optional<size_t> japanese_;
};

// The end of a piece of about `bytes` that begins at `begin`: at a blank where one is near, else
// between two characters.
size_t piece_end(std::string_view text, size_t begin, size_t bytes);

// The macro-language (ISO 639-3, `no` for Norwegian) of languages that are hard to tell apart.
std::string_view macro_of(std::string_view code);

}  // namespace wiremill::language
