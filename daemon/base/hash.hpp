// The two hashes: CRC32C for what is stored, XXH3-128 for content and identity. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wiremill {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by SSE4.2 where the CPU has it. crc32c("123456789")
// is 0xE3069283. `seed` is the CRC of what came before.
uint32_t crc32c(std::string_view bytes, uint32_t seed = 0);

struct Hash128 {
  uint64_t low = 0, high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 hash128(std::string_view bytes);

// The 16 bytes, high first, for use as a key.
std::string hash_key(const Hash128& hash);
std::string hash_hex(const Hash128& hash);

}  // namespace wiremill
