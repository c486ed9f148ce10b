// What the crash tests of the log share: payloads that can be told apart, and how long a test is.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/log/log.hpp"
#include "daemon/log/memory_file_system.hpp"

namespace wiremill {

inline LogOptions log_options_on(MemoryFileSystem& files,
                                 Durability durability = Durability::Always) {
  LogOptions options;
  options.directory = "/log";
  options.name = "intake";
  options.segment_bytes = 16 << 10;
  options.durability = durability;
  options.sync_interval_ms = 1;
  options.files = &files;
  return options;
}

// The one payload of this sequence in its `generation`-th life: pseudo-random bytes by splitmix64, at
// least 24 of them, so that none stands twice in a file. A sequence that a crash took back is given
// out again in the next generation, and a stale record is told from the one that replaced it.
inline std::string log_payload(uint64_t sequence, uint64_t generation = 0) {
  uint64_t state = sequence + (generation << 40);
  const auto random = [&state] {
    uint64_t mixed = state += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
  };
  const size_t most = random() % 40 == 0 ? 20'000 : 1200;
  std::string payload(24 + random() % most, '\0');
  for (size_t i = 0; i < payload.size(); i += 8) {
    const uint64_t bytes = random();
    std::memcpy(payload.data() + i, &bytes, std::min(sizeof bytes, payload.size() - i));
  }
  return payload;
}

// How often: the environment variable `name`, or what belongs in CI.
inline uint64_t test_length(const char* name, uint64_t in_ci) {
  const char* const wanted = std::getenv(name);
  return wanted == nullptr ? in_ci : std::stoull(wanted);
}

template <class T>
void must(const Result<T>& result) {
  ASSERT_TRUE(result) << result.error().message;
}

}  // namespace wiremill
