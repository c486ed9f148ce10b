// The model file, written and read: see model.hpp. Called by the trainer and by the stage's
// constructor; any thread.
#include "plugins/language/model.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "daemon/base/hash.hpp"

namespace wiremill::language {
namespace {

constexpr std::string_view kMagic = "WMLANGUA";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 16;
constexpr size_t kFileBytesMax = 64U << 20;
constexpr uint32_t kBitsMin = 4, kBitsMax = 24;
constexpr size_t kGramsPerBucket = 4;

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_record(std::string& pool, const ModelGram& gram) {
  const auto count = static_cast<uint32_t>(gram.weights.size());
  const uint32_t small = std::min(count, Model::kCountMask);
  append(pool, static_cast<uint16_t>(Model::fingerprint(gram.hash) << Model::kCountBits | small));
  if (small == Model::kCountMask) append(pool, static_cast<uint8_t>(count));
  for (const Weight& weight : gram.weights) append(pool, weight);
}

// Takes values off the front of the file's bytes; what is not there is not taken.
class Source {
 public:
  explicit Source(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  bool take(T* values, size_t count = 1) {
    if (count > rest_.size() / sizeof(T)) return false;
    std::memcpy(values, rest_.data(), count * sizeof(T));
    rest_.remove_prefix(count * sizeof(T));
    return true;
  }
  size_t size() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

Result<ModelLanguage> take_language(Source& source) {
  char code[4];
  uint8_t scripts = 0, script[kScriptsMax];
  ModelLanguage language;
  if (!source.take(code, sizeof code) || !source.take(&language.fit) || !source.take(&scripts) ||
      !source.take(script, kScriptsMax) || scripts > kScriptsMax)
    return fail(ErrorCode::Damaged, "the languages are cut short");
  language.code.assign(code, strnlen(code, sizeof code));
  language.scripts.assign(script, script + scripts);
  return language;
}

// Each bucket's records end where the bucket does, and name only languages that there are.
bool records_are_whole(const std::vector<uint32_t>& offsets, const std::vector<uint8_t>& pool,
                       size_t languages) {
  if (offsets.front() != 0 || offsets.back() != pool.size()) return false;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    size_t at = offsets[i];
    const size_t end = offsets[i + 1];
    if (end < at || end > pool.size()) return false;
    while (at < end) {
      if (end - at < 3) return false;
      size_t count = pool[at] & Model::kCountMask;
      at += 2;
      if (count == Model::kCountMask) count = pool[at++];
      if (2 * count > end - at) return false;
      for (; count > 0; --count, at += 2)
        if (pool[at] >= languages) return false;
    }
  }
  return true;
}

}  // namespace

std::string encode_model(ModelParts parts) {
  std::stable_sort(parts.grams.begin(), parts.grams.end(),
                   [](const ModelGram& a, const ModelGram& b) { return (a.hash) < (b.hash); });
  uint32_t bits = kBitsMin;
  while ((size_t{kGramsPerBucket} << bits) < parts.grams.size()) ++bits;
  std::vector<uint32_t> offsets;
  std::string pool;
  auto gram = parts.grams.begin();
  for (uint64_t bucket = 0; bucket < uint64_t{1} << bits; ++bucket) {
    offsets.push_back(static_cast<uint32_t>(pool.size()));
    std::vector<uint32_t> seen;
    for (; gram != parts.grams.end() && gram->hash >> (64 - bits) == bucket; ++gram) {
      const uint32_t fingerprint = Model::fingerprint(gram->hash);
      if (std::find(seen.begin(), seen.end(), fingerprint) != seen.end()) continue;
      seen.push_back(fingerprint);
      append_record(pool, *gram);
    }
  }
  offsets.push_back(static_cast<uint32_t>(pool.size()));

  std::string body;
  append(body, static_cast<uint32_t>(parts.languages.size()));
  for (const ModelLanguage& language : parts.languages) {
    char code[4] = {};
    language.code.copy(code, sizeof code);
    body.append(code, sizeof code);
    append(body, language.fit);
    append(body, static_cast<uint8_t>(language.scripts.size()));
    for (size_t i = 0; i < kScriptsMax; ++i)
      append(body, i < language.scripts.size() ? language.scripts[i] : uint8_t{0});
  }
  append(body, parts.unit);
  append(body, bits);
  append(body, static_cast<uint32_t>(pool.size()));
  for (const uint32_t offset : offsets) append(body, offset);
  body += pool;

  std::string out(kMagic);
  append(out, kVersion);
  append(out, crc32c(body));
  return out + body;
}

Result<Model> Model::decode(std::string bytes) {
  if (bytes.size() < kHeadBytes || !bytes.starts_with(kMagic))
    return fail(ErrorCode::Damaged, "not a model of language");
  uint32_t head[2];
  std::memcpy(head, bytes.data() + kMagic.size(), sizeof head);
  if (head[0] != kVersion)
    return fail(ErrorCode::Unsupported, "the model has version {}, this plugin reads version {}",
                uint32_t{head[0]}, kVersion);
  const std::string_view body = std::string_view(bytes).substr(kHeadBytes);
  if (crc32c(body) != head[1])
    return fail(ErrorCode::Damaged, "the checksum is wrong: the file is damaged or cut short");

  Source source(body);
  Model model;
  uint32_t languages = 0;
  if (!source.take(&languages) || languages == 0 || languages > kLanguagesMax)
    return fail(ErrorCode::Damaged, "{} languages", languages);
  for (uint32_t i = 0; i < languages; ++i) {
    auto language = take_language(source);
    if (!language) return tl::unexpected(std::move(language).error());
    model.languages_.push_back(std::move(*language));
  }
  uint32_t bits = 0, pool_bytes = 0;
  if (!source.take(&model.unit_) || !source.take(&bits) || !source.take(&pool_bytes) ||
      !(model.unit_ > 0) || bits < kBitsMin || bits > kBitsMax)
    return fail(ErrorCode::Damaged, "the table's head is wrong");
  const size_t offsets = (size_t{1} << bits) + 1;
  if (source.size() != offsets * sizeof(uint32_t) + pool_bytes)
    return fail(ErrorCode::Damaged, "the table has {} bytes", source.size());
  model.offsets_.resize(offsets);
  model.pool_.resize(pool_bytes);
  source.take(model.offsets_.data(), offsets);
  source.take(model.pool_.data(), pool_bytes);
  model.shift_ = 64 - bits;
  if (!records_are_whole(model.offsets_, model.pool_, languages))
    return fail(ErrorCode::Damaged, "the table's records are wrong");
  model.widen_long_lists();
  return model;
}

void Model::widen_long_lists() {
  for (size_t at = 0; at < pool_.size();) {
    size_t count = pool_[at] & kCountMask;
    at += 2;
    if (count == kCountMask) count = pool_[at++];
    if (count >= kRowCountMin) {
      const auto row = static_cast<uint32_t>(rows_.size() / kLanguagesMax);
      rows_.resize(rows_.size() + kLanguagesMax);
      for (size_t i = 0; i < count; ++i)
        rows_[size_t{row} * kLanguagesMax + pool_[at + 2 * i]] =
            static_cast<int8_t>(pool_[at + 2 * i + 1]);
      std::memcpy(pool_.data() + at, &row, sizeof row);
    }
    at += 2 * count;
  }
}

Result<Model> Model::open(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return fail_errno(errno, "open the model", path);
  const auto size = file.tellg();
  if (size < 0) return fail_errno(errno, "read the model", path);
  if (static_cast<uint64_t>(size) > kFileBytesMax)
    return fail(ErrorCode::TooLarge, "{}: {} bytes are too many for a model", path,
                static_cast<uint64_t>(size));
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) return fail_errno(errno, "read the model", path);
  auto model = decode(std::move(bytes));
  if (!model) return fail(model.error().code, "{}: {}", path, model.error().message);
  return model;
}

}  // namespace wiremill::language
