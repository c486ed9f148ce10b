// The language of a text: CLD2's full tables behind a filter for what is no language, with its
// percentages turned into a calibrated probability. Called by the stage and by the measuring
// program; pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
  std::vector<Alternative> alternatives;  // descending, at most 3, without `code`
  std::vector<Span> spans;                // only where the text mixes languages
};

// What CLD2 said, before calibration.
struct Evidence {
  int scored_bytes = 0;  // letters and blanks CLD2 looked at
  int percent = 0;       // of them, in the best language
  double score = 0;      // CLD2's normalized score per KiB of the best language
  bool reliable = false;
};

// The share of answers with such evidence that are right. The formula and its weights: the .cpp.
double calibrated(const Evidence& evidence);

// `text` is valid UTF-8. `evidence`, where given, receives what stood behind the answer.
Detection detect(std::string_view text, const Settings& settings, Evidence* evidence = nullptr);

// CLD2's name of a language as Wiremill writes it: "iw" -> "he", "zh-Hant" -> "zh"; "" for codes
// that stand for no language.
std::string normal_code(std::string_view code);

// `text` with URLs, addresses, numbers and code-like words overwritten by blanks of the same
// length.
std::string strip(std::string_view text);

}  // namespace wiremill::language
