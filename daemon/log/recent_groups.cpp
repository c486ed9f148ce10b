// See recent_groups.hpp.
#include "daemon/log/recent_groups.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace wiremill {

Blocks::Blocks(int64_t begin, int64_t end)
    : begin_(begin / kBlockBytes * kBlockBytes),
      size_(static_cast<size_t>((end - begin_ + kBlockBytes - 1) / kBlockBytes * kBlockBytes)),
      bytes_(static_cast<char*>(std::aligned_alloc(kBlockBytes, size_))) {
  if (bytes_ == nullptr) throw std::bad_alloc();
  std::memset(bytes_.get(), 0, static_cast<size_t>(begin - begin_));
  std::memset(at(end), 0, size_ - static_cast<size_t>(end - begin_));
}

void RecentGroups::add(uint64_t segment, int64_t begin, int64_t end,
                       std::shared_ptr<const Blocks> blocks) {
  std::deque<Group> gone;  // freed without the lock
  const MutexLock lock(mutex_);
  bytes_ += blocks->occupied();
  groups_.push_back({segment, begin, end, std::move(blocks)});
  while (bytes_ > bytes_max_ && groups_.size() > 1) {
    bytes_ -= groups_.front().blocks->occupied();
    gone.push_back(std::move(groups_.front()));
    groups_.pop_front();
  }
}

bool RecentGroups::copy(uint64_t segment, int64_t begin, int64_t end, char* into) const {
  while (begin < end) {
    const Group group = find(segment, begin);
    if (group.blocks == nullptr) return false;
    const int64_t step = std::min(end, group.end) - begin;
    std::memcpy(into, group.blocks->at(begin), static_cast<size_t>(step));
    begin += step;
    into += step;
  }
  return true;
}

// The group that holds this byte; one without blocks where there is none.
RecentGroups::Group RecentGroups::find(uint64_t segment, int64_t offset) const {
  const MutexLock lock(mutex_);
  const auto behind = std::upper_bound(groups_.begin(), groups_.end(), std::pair(segment, offset),
                                       [](const auto& wanted, const Group& group) {
                                         return wanted < std::pair(group.segment, group.begin);
                                       });
  if (behind == groups_.begin()) return {};
  const Group& group = *std::prev(behind);
  if (group.segment != segment || offset >= group.end) return {};
  return group;
}

}  // namespace wiremill
