// The shared list of segments: daemon/log/catalog.hpp.
#include "daemon/log/catalog.hpp"

#include <algorithm>

#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

// Which records are damaged is remembered so that two readers do not count one twice. Past this
// many ranges the count stands still.
constexpr size_t kDamagedRangesMax = 1 << 20;

}  // namespace

void Catalog::add(uint64_t first, std::string path, int64_t end) {
  const MutexLock lock(mutex_);
  if (!items_.empty() && items_.back().segment->first == first) items_.pop_back();
  items_.push_back(
      {.segment = std::make_shared<const Segment>(Segment{.first = first, .path = std::move(path)}),
       .end = end,
       .index = {}});
}

void Catalog::publish(IndexEntry group, uint64_t last, int64_t end) {
  const MutexLock lock(mutex_);
  Item& newest = items_.back();
  newest.end = end;
  extend(newest.index, group);
  durable_.store(last, std::memory_order_release);
}

SegmentPlace Catalog::find(uint64_t sequence) const {
  const MutexLock lock(mutex_);
  auto next =
      std::upper_bound(items_.begin(), items_.end(), sequence,
                       [](uint64_t s, const Item& item) { return s < item.segment->first; });
  if (next == items_.begin()) ++next;
  const Item& item = *std::prev(next);
  SegmentPlace place{.segment = item.segment,
                     .last = next == items_.end() ? durable() : next->segment->first - 1,
                     .end = item.end,
                     .near = {.sequence = item.segment->first, .offset = kSegmentHeaderBytes}};
  const auto after =
      std::upper_bound(item.index.begin(), item.index.end(), sequence,
                       [](uint64_t s, const IndexEntry& entry) { return s < entry.sequence; });
  if (after != item.index.begin()) place.near = *std::prev(after);
  return place;
}

void Catalog::add_index(const Segment& segment, std::span<const IndexEntry> groups) {
  const MutexLock lock(mutex_);
  for (Item& item : items_) {
    if (item.segment.get() != &segment) continue;
    for (const IndexEntry& group : groups) extend(item.index, group);
  }
}

void Catalog::extend(std::vector<IndexEntry>& index, IndexEntry group) {
  if (index.empty() || group.offset >= index.back().offset + kIndexStepBytes)
    index.push_back(group);
}

std::vector<std::string> Catalog::take_below(uint64_t sequence) {
  const MutexLock lock(mutex_);
  std::vector<std::string> paths;
  while (items_.size() > 1 && items_[1].segment->first <= sequence) {
    paths.push_back(items_.front().segment->path);
    items_.pop_front();
  }
  return paths;
}

// Takes in every range that it meets or touches.
void Catalog::add_damaged(uint64_t first, uint64_t last) {
  const MutexLock lock(mutex_);
  auto next = damaged_.upper_bound(first);
  if (next != damaged_.begin() && std::prev(next)->second >= first - 1) --next;
  while (next != damaged_.end() && next->first - 1 <= last) {
    first = std::min(first, next->first);
    last = std::max(last, next->second);
    damaged_records_ -= next->second - next->first + 1;
    next = damaged_.erase(next);
  }
  if (damaged_.size() >= kDamagedRangesMax) return;
  damaged_.emplace(first, last);
  damaged_records_ += last - first + 1;
}

uint64_t Catalog::first() const {
  const MutexLock lock(mutex_);
  return items_.front().segment->first;
}

uint64_t Catalog::first_within(uint64_t bytes) const {
  const MutexLock lock(mutex_);
  auto item = items_.rbegin();
  auto total = static_cast<uint64_t>(item->end);
  while (std::next(item) != items_.rend() &&
         (total += static_cast<uint64_t>(std::next(item)->end)) <= bytes)
    ++item;
  return item->segment->first;
}

LogStatistics Catalog::statistics() const {
  const MutexLock lock(mutex_);
  LogStatistics result;
  result.first = items_.front().segment->first;
  for (const Item& item : items_) result.bytes += static_cast<uint64_t>(item.end);
  result.damaged_records = damaged_records_;
  result.segments = items_.size();
  result.newest_segment = items_.back().segment->first;
  return result;
}

}  // namespace wiremill
