// Bylines and datelines: who wrote, and where an agency's story was filed. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wiremill::clean {

// The dateline that opens an article's first line ("LONDON (Reuters) -", "WESTPORT, March 5
// (Lantern)
// --", "BERLIN, May 3 —"), without its closing dash. `rest` is where the sentence itself begins.
// Empty where there is none.
struct Dateline {
  std::string text;
  size_t rest = 0;
};
Dateline find_dateline(std::string_view line);

// The names in a line that says who wrote ("By Jane Roe and Joe Bloggs, Staff Writer"), or empty.
// The line must be no more than a byline (with a date, perhaps): a sentence that begins with "By"
// is none.
std::string find_byline(std::string_view line);

}  // namespace wiremill::clean
