// Five hundred texts in no language, the same at each call: numbers, code, emoji, random bytes,
// addresses, hashes, encoded data, markup, log lines and punctuation, fifty of each. language_measure
// counts how many the stage gives a language all the same.
#pragma once

#include <string>
#include <vector>

namespace wiremill::language {

std::vector<std::string> noise_rows();

}  // namespace wiremill::language
