// The model of the n-gram scorer: what the trainer learnt, in one file beside the plugin.
//
//   "WMLANGUA", u32 version, u32 CRC-32C of all that follows,
//   u32 languages, for each: char code[4], f32 fit, u8 scripts, u8 script[7] (ICU's UScriptCode),
//   f32 unit, u32 bits, u32 bytes, u32 offsets[2^bits + 1], u8 pool[bytes]
//
// Little endian. The upper bits of an n-gram's hash choose a bucket, whose part of the pool is a
// row of records: u16 with 12 bits of fingerprint and 4 of count (15: one more byte holds it), then
// `count` pairs of a language's number and an int8 weight in units of `unit` nats. Opened once by
// the stage's constructor; constant afterwards, read by any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill::language {

inline constexpr size_t kLanguagesMax = 80;
inline constexpr size_t kScriptsMax = 7;

struct ModelLanguage {
  std::string code;
  float fit = 0;  // the weight that a symbol of its own texts has on average, in units
  std::vector<uint8_t> scripts;
};

struct Weight {
  uint8_t language = 0;
  int8_t value = 0;
};

struct ModelGram {
  uint64_t hash = 0;
  std::vector<Weight> weights;
};

struct ModelParts {
  std::vector<ModelLanguage> languages;
  float unit = 1;
  std::vector<ModelGram> grams;
};

// Of n-grams that cannot be told apart the first is kept.
std::string encode_model(ModelParts parts);

class Model {
 public:
  // The whole file is read and checked. Errors name the path.
  static Result<Model> open(const std::string& path);
  static Result<Model> decode(std::string bytes);

  const std::vector<ModelLanguage>& languages() const { return languages_; }
  float unit() const { return unit_; }  // nats

  uint32_t bucket(uint64_t hash) const { return static_cast<uint32_t>(hash >> shift_); }
  const uint32_t* offset(uint32_t bucket) const { return offsets_.data() + bucket; }
  const uint8_t* pool(uint32_t at) const { return pool_.data() + at; }

  // What the model holds of an n-gram: a row of weights, one for each of kLanguagesMax languages;
  // or `count` pairs of a language's number and a weight, as the file has them; or neither.
  struct Found {
    const int8_t* row = nullptr;
    const uint8_t* pairs = nullptr;
    uint32_t count = 0;
  };
  Found find(uint64_t hash) const {
    const uint32_t* offset = offsets_.data() + bucket(hash);
    const uint8_t* at = pool_.data() + offset[0];
    const uint8_t* const end = pool_.data() + offset[1];
    const uint32_t wanted = fingerprint(hash);
    while (at < end) {
      const uint32_t head = at[0] | uint32_t{at[1]} << 8;
      uint32_t count = head & kCountMask;
      at += 2;
      if (count == kCountMask) count = *at++;
      if (head >> kCountBits == wanted) {
        if (count < kRowCountMin) return {nullptr, at, count};
        uint32_t row = 0;
        std::memcpy(&row, at, sizeof row);
        return {rows_.data() + size_t{row} * kLanguagesMax, nullptr, 0};
      }
      at += size_t{2} * count;
    }
    return {};
  }

  static constexpr unsigned kCountBits = 4;
  static constexpr uint32_t kCountMask = (1U << kCountBits) - 1;
  static uint32_t fingerprint(uint64_t hash) { return hash & 0xfff; }

 private:
  // Long lists of weights become rows of all languages, which are added faster: the number of the
  // row takes the place of the list's first bytes.
  static constexpr uint32_t kRowCountMin = 24;
  void widen_long_lists();

  std::vector<ModelLanguage> languages_;
  float unit_ = 1;
  unsigned shift_ = 63;
  std::vector<uint32_t> offsets_;
  std::vector<uint8_t> pool_;
  std::vector<int8_t> rows_;  // kLanguagesMax each
};

}  // namespace wiremill::language
