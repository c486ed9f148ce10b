// Memory per source; see source_memory.hpp.
//
// A page at a time, nobody can tell a newsletter's pitch from a paragraph. A stream shows it: the
// pitch stands in every document of its source, a paragraph in one story. So a line that stood in
// three different documents of one source is furniture.
//
// Different documents: a story that is pushed again, revised, or sold by an agency under another
// id repeats its lines, too. So each sighting keeps a sketch of its document, the hashes of its six
// longest lines, and a document counts for a line only where it is another story than all that
// counted before: less than half of the sketch's other lines stand in it, and the other way round,
// and it has another title. So neither a live page, which comes under many addresses and keeps its
// headline and its opening, nor the column of a name ("Letters") teaches that its lines are
// furniture. A sketch follows its story from revision to revision.
//
// Bounds and decay: lines live in a table of 2^20 slots for all sources, a source's in 1,024 of
// them that begin at a place given by its name. A line has one slot; a newcomer takes it over,
// unless furniture that was seen within `age` lives there. So what recurs rarely is overwritten by
// the stream itself (a source whose documents have 30 lines forgets a line seen once after some 34
// of them), nothing must be swept, and a source can neither grow without end nor push out more than
// its stretch of the table. An entry is at most 13 bytes and 33 for each sighting, two by default.
#include "plugins/clean/source_memory.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

namespace wiremill::clean {
namespace {

constexpr uint32_t kSlots = 1 << 20, kSlotsOfSource = 1024;
constexpr size_t kDocumentsMax = 8;  // the largest value of the option
constexpr size_t kEdgeLines = 64;    // of a long text, so many at each end are remembered
constexpr int64_t kHourUs = 3'600'000'000;

void append_number(std::string& bytes, uint64_t number, size_t size) {
  for (size_t i = size; i-- > 0;) bytes += static_cast<char>(number >> (8 * i));
}

uint64_t read_number(std::string_view& bytes, size_t size) {
  if (bytes.size() < size) throw std::runtime_error("a record of the memory is damaged");
  uint64_t number = 0;
  for (const char byte : bytes.substr(0, size))
    number = number << 8 | static_cast<unsigned char>(byte);
  bytes.remove_prefix(size);
  return number;
}

void append_sketch(std::string& bytes, const Sketch& sketch) {
  append_number(bytes, sketch.count, 1);
  append_number(bytes, sketch.id, 4);
  append_number(bytes, sketch.title, 4);
  for (uint32_t i = 0; i < sketch.count; ++i) append_number(bytes, sketch.lines[i], 4);
}

Sketch read_sketch(std::string_view& bytes) {
  Sketch sketch;
  sketch.count = static_cast<uint32_t>(read_number(bytes, 1));
  if (sketch.count > Sketch::kLinesMax)
    throw std::runtime_error("a record of the memory is damaged");
  sketch.id = static_cast<uint32_t>(read_number(bytes, 4));
  sketch.title = static_cast<uint32_t>(read_number(bytes, 4));
  for (uint32_t i = 0; i < sketch.count; ++i)
    sketch.lines[i] = static_cast<uint32_t>(read_number(bytes, 4));
  return sketch;
}

// Of the sketch's lines without `line`, more than half stand in the other document; so does a
// document that has no other line.
template <class Holds>
bool is_mostly_in(const Sketch& sketch, uint32_t line, const Holds& holds) {
  uint32_t others = 0, common = 0;
  for (uint32_t i = 0; i < sketch.count; ++i) {
    if (sketch.lines[i] == line) continue;
    ++others;
    if (holds(sketch.lines[i])) ++common;
  }
  return others == 0 || 2 * common > others;
}

bool is_same_story(const Sketch& earlier, const NotedLines& now, uint32_t line) {
  if (earlier.id == now.sketch.id) return true;
  if (earlier.title != 0 && earlier.title == now.sketch.title) return true;
  return is_mostly_in(earlier, line,
                      [&](uint32_t other) {
                        return std::any_of(now.lines.begin(), now.lines.end(), [&](uint64_t hash) {
                          return static_cast<uint32_t>(hash) == other;
                        });
                      }) ||
         is_mostly_in(now.sketch, line, [&](uint32_t other) {
           const auto end = earlier.lines.begin() + earlier.count;
           return std::find(earlier.lines.begin(), end, other) != end;
         });
}

}  // namespace

uint64_t source_seed(std::string_view source) { return XXH3_64bits(source.data(), source.size()); }

uint64_t line_hash(std::string_view line, uint64_t seed) {
  return XXH3_64bits_withSeed(line.data(), line.size(), seed);
}

NotedLines note_lines(std::string_view text, std::string_view title, std::string_view id,
                      uint64_t seed) {
  struct Noted {
    uint64_t hash;
    size_t bytes;
  };
  NotedLines noted;
  if (text.empty()) return noted;
  std::vector<Noted> head, tail;  // the tail goes backwards
  size_t at = 0;
  while (head.size() < kEdgeLines && at <= text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    head.push_back({line_hash(text.substr(at, end - at), seed), end - at});
    at = end + 1;
  }
  for (size_t end = text.size(); tail.size() < kEdgeLines && at <= end;) {
    const size_t begin = std::max(at, text.rfind('\n', end - 1) + 1);
    tail.push_back({line_hash(text.substr(begin, end - begin), seed), end - begin});
    end = begin == 0 ? 0 : begin - 1;
  }
  head.insert(head.end(), tail.rbegin(), tail.rend());
  for (const Noted& line : head) noted.lines.push_back(line.hash);
  std::stable_sort(head.begin(), head.end(),
                   [](const Noted& a, const Noted& b) { return a.bytes > b.bytes; });
  noted.sketch.id = static_cast<uint32_t>(XXH3_64bits(id.data(), id.size()));
  if (!title.empty())
    noted.sketch.title = static_cast<uint32_t>(XXH3_64bits(title.data(), title.size()));
  noted.sketch.count = static_cast<uint32_t>(std::min(head.size(), Sketch::kLinesMax));
  for (uint32_t i = 0; i < noted.sketch.count; ++i)
    noted.sketch.lines[i] = static_cast<uint32_t>(head[i].hash);
  return noted;
}

void append(const NotedLines& noted, std::string& bytes) {
  append_sketch(bytes, noted.sketch);
  append_number(bytes, noted.lines.size(), 1);
  for (const uint64_t hash : noted.lines) append_number(bytes, hash, 8);
}

NotedLines read_noted(std::string_view& bytes) {
  NotedLines noted;
  noted.sketch = read_sketch(bytes);
  noted.lines.resize(read_number(bytes, 1));
  for (uint64_t& hash : noted.lines) hash = read_number(bytes, 8);
  return noted;
}

bool KnownLines::holds(std::string_view line) const {
  return std::find(hashes.begin(), hashes.end(), line_hash(line, seed)) != hashes.end();
}

SourceMemory::SourceMemory(const MemoryOptions& options, const Batch& batch,
                           const std::vector<NotedLines>& noted)
    : options_(options), batch_(batch), noted_(noted) {
  for (size_t i = 0; i < batch.size(); ++i) {
    const uint64_t seed = source_seed(batch.document(i).source());
    for (const uint64_t hash : noted[i].lines) entries_.try_emplace(slot_of(hash, seed));
  }
  if (entries_.empty()) return;
  std::vector<uint32_t> slots;
  std::vector<std::string> keys;
  for (const auto& [slot, entry] : entries_) {
    slots.push_back(slot);
    keys.push_back(key_of(slot));
  }
  const auto values = batch.state(0).get_many(keys);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!values[i]) continue;
    try {
      entries_[slots[i]] = decode(*values[i]);
    } catch (const std::runtime_error&) {
      ++damaged_records_;
    }
  }
}

KnownLines SourceMemory::settle(size_t i) {
  const Document document = batch_.document(i);
  KnownLines known{source_seed(document.source()), {}};
  const auto hour =
      static_cast<uint32_t>(std::max<int64_t>(document.accepted_at_us(), 0) / kHourUs);
  State state = batch_.state(i);
  for (const uint64_t hash : noted_[i].lines) {
    const uint32_t slot = slot_of(hash, known.seed);
    Entry& entry = entries_.at(slot);
    Entry seen = entry;
    see(seen, hash, noted_[i], hour);
    if (seen.hash == hash && seen.is_furniture) known.hashes.push_back(hash);
    if (seen == entry) continue;
    entry = std::move(seen);
    state.put(key_of(slot), encode(entry));
  }
  return known;
}

void SourceMemory::see(Entry& entry, uint64_t hash, const NotedLines& noted, uint32_t hour) const {
  const uint32_t unseen_hours = hour > entry.last_hour ? hour - entry.last_hour : 0;
  if (entry.hash != hash && entry.is_furniture && unseen_hours <= age_hours()) return;
  if (entry.hash != hash || unseen_hours > age_hours()) entry = {hash, hour, false, {}};
  if (entry.is_furniture) {
    // Written seldom, as it is seen in every document.
    if (unseen_hours > age_hours() / 8) entry.last_hour = hour;
    return;
  }
  entry.last_hour = hour;
  const auto line = static_cast<uint32_t>(hash);
  for (Sketch& sighting : entry.sightings) {
    if (!is_same_story(sighting, noted, line)) continue;
    sighting = noted.sketch;
    return;
  }
  entry.sightings.push_back(noted.sketch);
  if (entry.sightings.size() < options_.documents) return;
  entry.is_furniture = true;
  entry.sightings.clear();
}

uint32_t SourceMemory::age_hours() const {
  return static_cast<uint32_t>(std::max<int64_t>(options_.age_us / kHourUs, 1));
}

uint32_t SourceMemory::slot_of(uint64_t hash, uint64_t seed) {
  return static_cast<uint32_t>((seed + (hash >> 32) % kSlotsOfSource) % kSlots);
}

std::string SourceMemory::key_of(uint32_t slot) {
  std::string key = "l";
  append_number(key, slot, 3);
  return key;
}

std::string SourceMemory::encode(const Entry& entry) {
  std::string bytes;
  append_number(bytes, entry.hash, 8);
  append_number(bytes, entry.last_hour, 4);
  append_number(bytes, entry.is_furniture ? 1 : 0, 1);
  for (const Sketch& sighting : entry.sightings) append_sketch(bytes, sighting);
  return bytes;
}

SourceMemory::Entry SourceMemory::decode(std::string_view bytes) {
  Entry entry;
  entry.hash = read_number(bytes, 8);
  entry.last_hour = static_cast<uint32_t>(read_number(bytes, 4));
  const uint64_t is_furniture = read_number(bytes, 1);
  entry.is_furniture = is_furniture == 1;
  while (!bytes.empty()) entry.sightings.push_back(read_sketch(bytes));
  if (is_furniture > 1 || entry.sightings.size() >= kDocumentsMax)
    throw std::runtime_error("a record of the memory is damaged");
  return entry;
}

}  // namespace wiremill::clean
