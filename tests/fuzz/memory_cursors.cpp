// Stands in for the named cursors' store (daemon/feed/cursor_store.hpp) where the feed is fuzzed: in
// memory, every commit at once on its "disk", without a thread.
#include "daemon/feed/cursor_store.hpp"

namespace wiremill {

bool is_cursor_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == name.npos;
}

CursorStore::CursorStore(std::string directory, size_t cursors_max, std::function<void()> settled,
                         FileSystem& files)
    : directory_(std::move(directory)),
      cursors_max_(cursors_max),
      settled_(std::move(settled)),
      files_(files) {}
CursorStore::~CursorStore() = default;

Result<std::unique_ptr<CursorStore>> CursorStore::open(const std::string& directory,
                                                       size_t cursors_max,
                                                       std::function<void()> settled,
                                                       FileSystem& files) {
  return std::unique_ptr<CursorStore>(
      new CursorStore(directory, cursors_max, std::move(settled), files));
}

Status CursorStore::begin_epoch(uint64_t epoch, uint64_t first) {
  epochs_ = {{epoch, first}};
  return {};
}
// Epochs before the present one, which began with the first result, may all have been others.
uint64_t CursorStore::changed_from(uint64_t epoch) const {
  return epoch < epochs_.begin()->first ? 1 : UINT64_MAX;
}

std::optional<CursorPlace> CursorStore::find(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = stored_.find(name);
  return found == stored_.end() ? std::nullopt : std::optional(found->second);
}
std::map<std::string, CursorPlace> CursorStore::all() const {
  const MutexLock lock(mutex_);
  return stored_;
}
Status CursorStore::has_room_for(const std::string& name) const {
  const MutexLock lock(mutex_);
  if (stored_.contains(name) || stored_.size() < cursors_max_) return {};
  return fail(ErrorCode::TooLarge, "{} cursors are allowed", cursors_max_);
}

Status CursorStore::commit(const std::string& name, const CursorPlace& place,
                           const std::string& peer) {
  WM_TRY(has_room_for(name));
  const MutexLock lock(mutex_);
  stored_[name] = place;
  outcomes_.push_back({name, place, {}, {peer}});
  return {};
}
std::vector<CursorStore::Outcome> CursorStore::take_outcomes() {
  const MutexLock lock(mutex_);
  return std::exchange(outcomes_, {});
}

Status CursorStore::set(const std::string& name, const CursorPlace& place) {
  WM_TRY(has_room_for(name));
  const MutexLock lock(mutex_);
  stored_[name] = place;
  return {};
}
Status CursorStore::remove(const std::string& name) {
  const MutexLock lock(mutex_);
  stored_.erase(name);
  return {};
}

}  // namespace wiremill
