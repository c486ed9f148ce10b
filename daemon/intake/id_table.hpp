// Which document was the latest with an id: a hash table in memory that forgets the oldest first.
// Used by the ledger, on the io thread.
//
// The entries stand in a ring in the order in which they came, which is the order of their
// sequences and of their times, so what is to be forgotten is always at the ring's begin. An id that
// comes again gets a second entry; the first one stays until its turn comes and is found no more.
// Open addressing with linear probing leads from an id's hash to its entry's place in the ring: a
// slot holds the place and 32 bits of the hash, so a probe that fails touches no entry.
//
// Memory: 48 bytes an entry and 16 to 32 for its slots: 64 MiB for 1,000,000 ids, reserved at once
// and taken from the system as the table fills.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "daemon/base/hash.hpp"

namespace wiremill {

class IdTable {
 public:
  // 16 bytes of the id's hash, 16 of the content's: trivial, so that a ring need not be filled.
  struct Entry {
    uint64_t id_low, id_high;
    uint64_t content_low, content_high;
    uint64_t sequence;
    int64_t accepted_at_us;

    Hash128 id() const { return {.low = id_low, .high = id_high}; }
    Hash128 content() const { return {.low = content_low, .high = content_high}; }
  };

  // At most 2^31 entries. Throws std::bad_alloc where the address space does not suffice.
  explicit IdTable(size_t entries_max);

  // The latest entry with this id; null where there is none. Valid until the next add or forget.
  const Entry* find(const Hash128& id) const;
  // Sequences and times ascend. Where the table is full the oldest entry is forgotten.
  void add(const Entry& entry);
  void forget_oldest();

  // Entries are numbered in the order in which they came; those in [begin, end) are here.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  const Entry& at(uint64_t number) const { return entries_[number % entries_max_]; }

 private:
  struct Slot {
    uint32_t hash;
    uint32_t place;  // in the ring, + 1; 0: free
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  // The slot of this id, or the free one where it would go.
  size_t find_slot(uint64_t id_low, uint64_t id_high) const;
  void erase_slot(size_t slot);

  const size_t entries_max_;
  size_t mask_;  // slots - 1
  uint64_t begin_ = 0, end_ = 0;
  std::unique_ptr<Entry[], Free> entries_;
  std::unique_ptr<Slot[], Free> slots_;
};

}  // namespace wiremill
