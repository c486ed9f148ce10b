// Sentences and tokens, made once per document by the host and read by every later stage through
// the ABI: no stage cuts the text again.
//
// Sentences: spans without surrounding white space, ascending; a line break always ends one.
// Tokens: see wm_token. A word keeps inner apostrophes except a possessive or clitic ("China" "'s",
// "do" "n't" are two tokens each), abbreviations keep their dots ("U.S.", "Dr."), hyphens stand
// alone ("China" "-" "Central"), numbers keep inner separators ("4,250.5"); scripts without blanks
// (Han, Kana, Thai …) are cut by ICU's dictionaries.
//
// Thread: one Segmenter per thread. Cost: linear in the text.
#pragma once

#include <wiremill/plugin.h>

#include <memory>
#include <string_view>
#include <vector>

namespace wiremill::text {

struct Segmentation {
  std::vector<wm_span> sentences;
  std::vector<wm_token> tokens;
};

class Segmenter {
 public:
  Segmenter();
  ~Segmenter();
  Segmenter(const Segmenter&) = delete;
  Segmenter& operator=(const Segmenter&) = delete;

  // `text` is valid UTF-8 of less than 4 GiB; `language` is a code as in wm_language, or empty.
  // Replaces what `out` held.
  void segment(std::string_view text, std::string_view language, Segmentation& out);

 private:
  struct Rules;
  std::unique_ptr<Rules> rules_;
};

}  // namespace wiremill::text
