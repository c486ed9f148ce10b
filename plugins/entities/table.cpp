// Reading and writing of the model's hash tables: see table.hpp. Any thread.
#include "plugins/entities/table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace wiremill::entities {
namespace {

constexpr uint32_t kBitsMin = 4, kBitsMax = 16;

template <class T>
void append(std::string& out, const T* values, size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

}  // namespace

Result<Table> Table::parse(std::string_view bytes, size_t width) {
  uint32_t head[2];
  if (bytes.size() < sizeof head) return fail(ErrorCode::Damaged, "a table is cut short");
  std::memcpy(head, bytes.data(), sizeof head);
  const auto [bits, count] = head;
  if (bits < kBitsMin || bits > kBitsMax)
    return fail(ErrorCode::Damaged, "a table of 2^{} buckets", bits);
  const size_t buckets = size_t{1} << bits;
  const size_t fingerprints_at = sizeof head + (buckets + 1) * sizeof(uint32_t);
  const size_t rows_at = fingerprints_at + size_t{count} * sizeof(uint16_t);
  if (bytes.size() < rows_at + size_t{count} * width + kReadBeyond)
    return fail(ErrorCode::Damaged, "a table of {} rows is cut short", uint32_t{count});
  Table table;
  table.offsets_ = reinterpret_cast<const uint32_t*>(bytes.data() + sizeof head);
  table.fingerprints_ = reinterpret_cast<const uint16_t*>(bytes.data() + fingerprints_at);
  table.rows_ = reinterpret_cast<const uint8_t*>(bytes.data() + rows_at);
  table.count_ = count;
  table.width_ = width;
  table.shift_ = 32 - bits;
  if (!std::is_sorted(table.offsets_, table.offsets_ + buckets + 1) ||
      table.offsets_[buckets] != count)
    return fail(ErrorCode::Damaged, "a table's buckets are out of order");
  return table;
}

std::string Table::encode(std::vector<std::pair<uint32_t, std::string>> rows, size_t width) {
  const auto bits = std::clamp<uint32_t>(static_cast<uint32_t>(std::bit_width(rows.size() + 1)) - 3,
                                         kBitsMin, kBitsMax);
  const auto kept = [bits](uint32_t key) {
    return uint64_t{key >> (32 - bits)} << 16 | (key & 0xffffU);
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& left, const auto& right) {
    return kept(left.first) < kept(right.first);
  });
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [&](const auto& left, const auto& right) {
                           return kept(left.first) == kept(right.first);
                         }),
             rows.end());
  const size_t buckets = size_t{1} << bits;
  std::vector<uint32_t> offsets(buckets + 1, 0);
  std::vector<uint16_t> fingerprints;
  std::string payload;
  for (const auto& [key, row] : rows) {
    WM_INVARIANT(row.size() == width);
    ++offsets[(key >> (32 - bits)) + 1];
    fingerprints.push_back(static_cast<uint16_t>(key));
    payload += row;
  }
  for (size_t i = 1; i <= buckets; ++i) offsets[i] += offsets[i - 1];
  const uint32_t head[2] = {bits, static_cast<uint32_t>(rows.size())};
  std::string out;
  append(out, head, 2);
  append(out, offsets.data(), offsets.size());
  append(out, fingerprints.data(), fingerprints.size());
  out += payload;
  out.append(kReadBeyond, '\0');
  return out;
}

}  // namespace wiremill::entities
