// See id_table.hpp.
#include "daemon/intake/id_table.hpp"

#include <algorithm>
#include <bit>
#include <new>

#include "daemon/base/error.hpp"

namespace wiremill {
namespace {

// Zeros, which cost nothing until they are touched.
template <class T>
T* reserve(size_t count) {
  void* memory = std::calloc(count, sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

}  // namespace

IdTable::IdTable(size_t entries_max)
    : entries_max_(entries_max),
      mask_(std::bit_ceil(2 * std::max<size_t>(entries_max, 1)) - 1),
      entries_(reserve<Entry>(std::max<size_t>(entries_max, 1))),
      slots_(reserve<Slot>(mask_ + 1)) {
  WM_INVARIANT(entries_max <= size_t{1} << 31);
}

size_t IdTable::find_slot(uint64_t id_low, uint64_t id_high) const {
  const auto hash = static_cast<uint32_t>(id_low);
  for (size_t slot = hash & mask_;; slot = (slot + 1) & mask_) {
    if (slots_[slot].place == 0) return slot;
    if (slots_[slot].hash != hash) continue;
    const Entry& entry = entries_[slots_[slot].place - 1];
    if (entry.id_low == id_low && entry.id_high == id_high) return slot;
  }
}

const IdTable::Entry* IdTable::find(const Hash128& id) const {
  const Slot& slot = slots_[find_slot(id.low, id.high)];
  return slot.place == 0 ? nullptr : &entries_[slot.place - 1];
}

void IdTable::add(const Entry& entry) {
  if (entries_max_ == 0) return;
  if (end_ - begin_ == entries_max_) forget_oldest();
  const size_t place = end_++ % entries_max_;
  // Before the entry is written: an older one with this id must still be there to be compared.
  slots_[find_slot(entry.id_low, entry.id_high)] = {static_cast<uint32_t>(entry.id_low),
                                                    static_cast<uint32_t>(place + 1)};
  entries_[place] = entry;
}

void IdTable::forget_oldest() {
  const size_t place = begin_++ % entries_max_;
  const Entry& oldest = entries_[place];
  const size_t slot = find_slot(oldest.id_low, oldest.id_high);
  if (slots_[slot].place == place + 1) erase_slot(slot);
}

// Fills the gap with a later slot of the same run whose probing would begin at or before it, and so
// on, until the run ends: no marks are left behind.
void IdTable::erase_slot(size_t slot) {
  for (size_t next = slot;;) {
    next = (next + 1) & mask_;
    if (slots_[next].place == 0) break;
    const size_t home = slots_[next].hash & mask_;
    if (((next - home) & mask_) < ((next - slot) & mask_)) continue;
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = {0, 0};
}

}  // namespace wiremill
