// Memory per source: which lines are a source's furniture because they stood in several of its
// documents. `note_lines` is called by process on any thread; the class by settle, one batch at a
// time, in order.
#pragma once

#include <wiremill/stage.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wiremill::clean {

struct MemoryOptions {
  size_t documents = 3;  // different ones in which a line must have stood
  int64_t age_us = 0;    // a line that was not seen for so long is forgotten
};

// By what two documents are known to be the same story: id, title, a few of the longest lines.
struct Sketch {
  static constexpr size_t kLinesMax = 6;
  uint32_t id = 0;     // hash of the document's id
  uint32_t title = 0;  // of its title; 0: it has none
  uint32_t count = 0;
  std::array<uint32_t, kLinesMax> lines{};
  friend bool operator==(const Sketch&, const Sketch&) = default;
};

// What settle needs to know of a document's text.
struct NotedLines {
  std::vector<uint64_t> lines;  // hashes: of a long text, of its first and its last 64 lines
  Sketch sketch;
};

// The seed of a source's line hashes, and the hash of one tidied line.
uint64_t source_seed(std::string_view source);
uint64_t line_hash(std::string_view line, uint64_t seed);

NotedLines note_lines(std::string_view text, std::string_view title, std::string_view id,
                      uint64_t seed);
void append(const NotedLines& noted, std::string& bytes);
// Reads what append wrote, and moves `bytes` past it. Throws std::runtime_error where they end.
NotedLines read_noted(std::string_view& bytes);

// Lines that are to be left out of a document, by their hashes.
struct KnownLines {
  uint64_t seed = 0;
  std::vector<uint64_t> hashes;
  bool holds(std::string_view line) const;
};

class SourceMemory {
 public:
  // Reads what the batch's documents need; `noted[i]` belongs to document i, empty: nothing.
  SourceMemory(const MemoryOptions& options, const Batch& batch,
               const std::vector<NotedLines>& noted);

  // Remembers the lines of document `i`, and answers which of them are furniture by now. Documents
  // in ascending order.
  KnownLines settle(size_t i);

  // How many of the records that were read could not be: they are no memory, and are written anew.
  size_t damaged_records() const { return damaged_records_; }

 private:
  // One line: until it is furniture, in which documents it stood.
  struct Entry {
    uint64_t hash = 0;
    uint32_t last_hour = 0;  // since 1970, when it was last written
    bool is_furniture = false;
    std::vector<Sketch> sightings;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static uint32_t slot_of(uint64_t hash, uint64_t seed);
  static std::string key_of(uint32_t slot);
  static std::string encode(const Entry& entry);
  // Throws std::runtime_error where a record is damaged.
  static Entry decode(std::string_view bytes);

  // Takes the sighting into `entry`, the place for `hash`.
  void see(Entry& entry, uint64_t hash, const NotedLines& noted, uint32_t hour) const;
  uint32_t age_hours() const;

  const MemoryOptions& options_;
  const Batch& batch_;
  const std::vector<NotedLines>& noted_;
  size_t damaged_records_ = 0;
  std::unordered_map<uint32_t, Entry> entries_;  // by slot: what the store holds, as changed here
};

}  // namespace wiremill::clean
