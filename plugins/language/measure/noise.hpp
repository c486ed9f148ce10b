// Rows that are in no language: code, numbers, emoji, random bytes and their like, the same ones on
// every call. Called by the measuring program and the test; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace wiremill::language {

struct NoiseRow {
  std::string kind, text;
};

std::vector<NoiseRow> noise_rows(size_t count);

}  // namespace wiremill::language
