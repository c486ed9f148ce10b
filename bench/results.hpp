// The other end of a measurement: a subscriber that reads results from the log. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace wiremill {

// Reads results from `sequence` on until `last`, waiting for those to come, and answers how many.
// Throws std::runtime_error where one is missing, out of order or not PROCESSED.
size_t read_results(const std::string& endpoint, uint64_t sequence, uint64_t last);

}  // namespace wiremill
