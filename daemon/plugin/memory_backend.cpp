// Committed state in ordered maps, for runs that leave nothing behind.
#include <map>

#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_backend.hpp"

namespace wiremill {
namespace {

class MemoryBackend : public StateBackend {
 public:
  explicit MemoryBackend(size_t spaces) : spaces_(spaces) {}

  uint64_t recovered_up_to() const override { return 0; }

  Status add_space(const std::string&) override {
    const MutexLock lock(mutex_);
    spaces_.emplace_back();
    return {};
  }

  Status get_many(size_t space, std::span<const std::string_view> keys,
                  std::span<const size_t> positions,
                  std::vector<std::optional<std::string>>& values) const override {
    const MutexLock lock(mutex_);
    const auto& entries = spaces_[space];
    for (const size_t i : positions) {
      const auto entry = entries.find(keys[i]);
      if (entry != entries.end())
        values[i] = entry->second;
      else
        values[i].reset();
    }
    return {};
  }

  // One key at a time, so that `visit` runs without the lock.
  Status scan(size_t space, std::string_view begin, std::string_view end,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    std::string key, value;
    for (bool first = true;; first = false) {
      {
        const MutexLock lock(mutex_);
        const auto& entries = spaces_[space];
        const auto entry = first ? entries.lower_bound(begin) : entries.upper_bound(key);
        if (entry == entries.end() || (!end.empty() && entry->first >= end)) return {};
        key = entry->first;
        value = entry->second;
      }
      if (!visit(key, value)) return {};
    }
  }

  Status apply(std::span<const StateChangeToApply> changes, uint64_t) override {
    const MutexLock lock(mutex_);
    for (const StateChangeToApply& change : changes) {
      auto& entries = spaces_[change.space];
      if (*change.value)
        entries.insert_or_assign(change.key, **change.value);
      else
        entries.erase(change.key);
    }
    return {};
  }

  Status checkpoint() override { return {}; }
  Status begin_checkpoint() override { return {}; }
  Result<bool> has_checkpointed() override { return true; }
  size_t memory_bytes() const override { return 0; }

 private:
  mutable Mutex mutex_;
  std::vector<std::map<std::string, std::string, std::less<>>> spaces_ WM_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<StateBackend> make_memory_backend(size_t spaces) {
  return std::make_unique<MemoryBackend>(spaces);
}

}  // namespace wiremill
