// The overlay in front of the committed state.
//
// A key in the overlay has a list of versions, oldest first, because the same key may be written
// for document 5 and again for document 9 while only 5 is durable: commit(5) must hand over the
// older value and keep the newer one on top, and drop_above(5) must bring the older one back. A
// queue per space holds the same versions in the order they were made, which is sequence order, so
// commit takes from its front and drop_above from its back, both without looking at anything else.
//
// commit gathers under the lock, writes to the backend without it, then removes from the overlay
// what it gathered. Reads look at the overlay first and at the backend second. Thus a value that
// leaves the overlay under a reader's eyes is in the backend already when the reader gets there.
#include "daemon/plugin/state_store.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <tuple>

#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_backend.hpp"

namespace wiremill {
namespace {

constexpr size_t kSpacesMax = 1024;

// The smallest string above all that begin with `prefix`; empty where there is none.
std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(end.back() + 1);
  return end;
}

// In order of keys, and of each key the last change alone: RocksDB takes them several times as fast.
void put_in_order(std::vector<StateChangeToApply>& changes) {
  const auto place = [](const StateChangeToApply& change) {
    return std::tie(change.space, change.key);
  };
  std::ranges::stable_sort(changes, {}, place);
  // Backwards, what counts comes first.
  const auto superseded =
      std::unique(changes.rbegin(), changes.rend(),
                  [&](const auto& a, const auto& b) { return place(a) == place(b); });
  changes.erase(changes.begin(), superseded.base());
}

// The changes of one space that are not yet committed. Any thread.
class Overlay {
 public:
  using Entries = std::vector<std::pair<std::string, StateValue>>;

  size_t size() const { return size_.load(std::memory_order_acquire); }

  void write(std::string_view key, std::optional<std::string_view> value, uint64_t sequence) {
    const auto shared = std::make_shared<const std::optional<std::string>>(value);
    const MutexLock lock(mutex_);
    WM_INVARIANT(queue_.empty() || queue_.back().sequence <= sequence);
    const auto entry = keys_.try_emplace(std::string(key)).first;
    entry->second.push_back(shared);
    queue_.push_back({next_serial_++, sequence, entry, shared});
    size_.store(queue_.size(), std::memory_order_release);
  }

  void drop_above(uint64_t sequence) {
    const MutexLock lock(mutex_);
    while (!queue_.empty() && queue_.back().sequence > sequence) {
      const auto entry = queue_.back().entry;
      queue_.pop_back();
      entry->second.pop_back();
      if (entry->second.empty()) keys_.erase(entry);
    }
    size_.store(queue_.size(), std::memory_order_release);
  }

  // Appends the changes up to `sequence` in order and answers the serial that ends them.
  uint64_t gather(uint64_t sequence, size_t space, std::vector<StateChangeToApply>& out) const {
    const MutexLock lock(mutex_);
    uint64_t end = 0;
    for (const Change& change : queue_) {
      if (change.sequence > sequence) break;
      out.push_back({space, change.entry->first, change.value});
      end = change.serial + 1;
    }
    return end;
  }

  // Removes the changes below `serial`, which are committed.
  void remove_below(uint64_t serial) {
    const MutexLock lock(mutex_);
    while (!queue_.empty() && queue_.front().serial < serial) {
      const auto entry = queue_.front().entry;
      queue_.pop_front();
      entry->second.pop_front();
      if (entry->second.empty()) keys_.erase(entry);
    }
    size_.store(queue_.size(), std::memory_order_release);
  }

  // Sets the values of the keys that are here and answers the positions of those that are not.
  std::vector<size_t> get_many(std::span<const std::string_view> keys,
                               std::vector<std::optional<std::string>>& values) const {
    std::vector<size_t> missing;
    missing.reserve(keys.size());
    if (size() == 0) {
      for (size_t i = 0; i < keys.size(); ++i) missing.push_back(i);
      return missing;
    }
    const MutexLock lock(mutex_);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto entry = keys_.find(keys[i]);
      if (entry == keys_.end())
        missing.push_back(i);
      else
        values[i] = *entry->second.back();
    }
    return missing;
  }

  // The newest versions of the keys in [begin, end); an empty `end` is no end.
  Entries range(std::string_view begin, std::string_view end) const {
    Entries entries;
    if (size() == 0) return entries;
    const MutexLock lock(mutex_);
    for (auto entry = keys_.lower_bound(begin);
         entry != keys_.end() && (end.empty() || entry->first < end); ++entry)
      entries.emplace_back(entry->first, entry->second.back());
    return entries;
  }

 private:
  using Versions = std::deque<StateValue>;  // oldest first, never empty
  using Keys = std::map<std::string, Versions, std::less<>>;
  struct Change {
    uint64_t serial;  // unique in the space: sequences may repeat
    uint64_t sequence;
    Keys::iterator entry;
    StateValue value;
  };

  std::atomic<size_t> size_ = 0;  // of queue_, to be read without the lock

  mutable Mutex mutex_;
  Keys keys_ WM_GUARDED_BY(mutex_);
  std::deque<Change> queue_ WM_GUARDED_BY(mutex_);  // ascending
  uint64_t next_serial_ WM_GUARDED_BY(mutex_) = 1;
};

}  // namespace

class StateStore::Impl {
 public:
  Impl(const std::vector<std::string>& names, const StateStoreOptions& options,
       std::unique_ptr<StateBackend> backend)
      : options_(options),
        backend_(std::move(backend)),
        committed_(backend_->recovered_up_to()),
        on_disk_{committed_, 0} {
    const MutexLock lock(mutex_);
    for (const std::string& name : names) spaces_.emplace_back(name);
  }

  struct Space {
    explicit Space(std::string its_name) : name(std::move(its_name)) {}
    const std::string name;
    Overlay overlay;
  };

  Result<size_t> add_space(const std::string& name) {
    const MutexLock one_at_a_time(adding_);
    if (const auto known = find_space(name)) return *known;
    if (count() >= kSpacesMax)
      return fail(ErrorCode::TooLarge, "the state store has {} spaces already", kSpacesMax);
    WM_TRY(backend_->add_space(name));
    const MutexLock lock(mutex_);
    spaces_.emplace_back(name);
    return spaces_.size() - 1;
  }

  std::optional<size_t> find_space(std::string_view name) const {
    const MutexLock lock(mutex_);
    const auto found = std::ranges::find(spaces_, name, &Space::name);
    if (found == spaces_.end()) return std::nullopt;
    return static_cast<size_t>(found - spaces_.begin());
  }

  Space& space(size_t index) const {
    const MutexLock lock(mutex_);
    return spaces_.at(index);
  }

  Overlay& overlay(size_t index) const { return space(index).overlay; }

  size_t count() const {
    const MutexLock lock(mutex_);
    return spaces_.size();
  }

  Status apply(std::span<const StateChangeToApply> changes, uint64_t sequence) {
    WM_TRY(backend_->apply(changes, sequence));
    for (const StateChangeToApply& change : changes)
      unflushed_bytes_ += change.key.size() + (*change.value ? (*change.value)->size() : 0);
    committed_ = sequence;
    ++applied_;
    return {};
  }

  Status checkpoint() {
    if (on_disk_.applied == applied_) return {};
    if (options_.before_checkpoint) WM_TRY(options_.before_checkpoint());
    WM_TRY(backend_->checkpoint());
    on_disk_ = {committed_, applied_};
    under_way_.reset();
    unflushed_bytes_ = 0;
    return {};
  }

  Status begin_checkpoint() {
    if (under_way_ || on_disk_.applied == applied_) return {};
    if (options_.before_checkpoint) WM_TRY(options_.before_checkpoint());
    WM_TRY(backend_->begin_checkpoint());
    under_way_ = Point{committed_, applied_};
    unflushed_bytes_ = 0;
    return {};
  }

  Result<uint64_t> checkpointed() {
    if (!under_way_) return on_disk_.sequence;
    const auto done = backend_->has_checkpointed();
    if (!done || *done) {
      const Point begun = *std::exchange(under_way_, std::nullopt);
      if (!done) return tl::unexpected<Error>(done.error());
      on_disk_ = begun;
    }
    return on_disk_.sequence;
  }

  Status checkpoint_if_full() {
    return backend_->memory_bytes() > options_.memtables_bytes_max ? checkpoint() : Status();
  }

  // Constant after construction; the backend looks after itself.
  const StateStoreOptions options_;
  const std::unique_ptr<StateBackend> backend_;

  // Written by the committing thread alone.
  struct Point {
    uint64_t sequence, applied;
  };
  std::atomic<uint64_t> committed_;
  uint64_t applied_ = 0;            // how often: what is amended raises no sequence
  Point on_disk_;                   // committed_ and applied_, as they were
  std::optional<Point> under_way_;  // there
  uint64_t unflushed_bytes_ = 0;

 private:
  Mutex adding_;  // so that nobody who reads waits for the disk

  mutable Mutex mutex_;
  // It only grows, so a space stays where it is; overlays look after themselves.
  mutable std::deque<Space> spaces_ WM_GUARDED_BY(mutex_);
};

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& directory,
                                                     const std::vector<std::string>& spaces,
                                                     const StateStoreOptions& options) {
  std::unique_ptr<StateBackend> backend;
  if (directory.empty()) {
    backend = make_memory_backend(spaces.size());
  } else {
    auto opened = open_rocksdb_backend(directory, spaces, options);
    if (!opened) return tl::unexpected<Error>(std::move(opened).error());
    backend = std::move(*opened);
  }
  return std::unique_ptr<StateStore>(
      new StateStore(std::make_unique<Impl>(spaces, options, std::move(backend))));
}

StateStore::StateStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateStore::~StateStore() = default;

uint64_t StateStore::recovered_up_to() const { return impl_->backend_->recovered_up_to(); }

Result<size_t> StateStore::add_space(const std::string& name) { return impl_->add_space(name); }

size_t StateStore::space(std::string_view name) const {
  const auto space = find_space(name);
  WM_INVARIANT(space.has_value());
  return *space;
}

std::optional<size_t> StateStore::find_space(std::string_view name) const {
  return impl_->find_space(name);
}

std::string StateStore::space_name(size_t space) const { return impl_->space(space).name; }

Status StateStore::get_many(size_t space, std::span<const std::string_view> keys,
                            std::vector<std::optional<std::string>>& values) const {
  values.resize(keys.size());
  const std::vector<size_t> missing = impl_->overlay(space).get_many(keys, values);
  if (missing.empty()) return {};
  return impl_->backend_->get_many(space, keys, missing, values);
}

Status StateStore::scan(
    size_t space, std::string_view prefix, std::string_view from,
    const std::function<bool(std::string_view key, std::string_view value)>& visit) const {
  const std::string_view begin = std::max(prefix, from);
  const std::string end = end_of_prefix(prefix);
  if (!end.empty() && begin >= end) return {};
  const Overlay::Entries changed = impl_->overlay(space).range(begin, end);
  auto next = changed.begin();
  bool more = true;
  const auto visit_changed = [&] {
    const auto& [key, value] = *next++;
    if (*value) more = visit(key, **value);
  };
  WM_TRY(
      impl_->backend_->scan(space, begin, end, [&](std::string_view key, std::string_view value) {
        while (more && next != changed.end() && next->first < key) visit_changed();
        if (!more) return false;
        if (next != changed.end() && next->first == key)
          visit_changed();
        else
          more = visit(key, value);
        return more;
      }));
  while (more && next != changed.end()) visit_changed();
  return {};
}

void StateStore::write(size_t space, std::string_view key, std::optional<std::string_view> value,
                       uint64_t sequence) {
  impl_->overlay(space).write(key, value, sequence);
}

void StateStore::drop_above(size_t space, uint64_t sequence) {
  impl_->overlay(space).drop_above(sequence);
}

Status StateStore::commit(uint64_t sequence) {
  std::vector<StateChangeToApply> changes;
  std::vector<uint64_t> ends;
  // One that is added meanwhile has no change up to `sequence`.
  const size_t spaces = impl_->count();
  for (size_t space = 0; space < spaces; ++space)
    ends.push_back(impl_->overlay(space).gather(sequence, space, changes));
  if (changes.empty() && sequence <= impl_->committed_) return {};
  sequence = std::max(sequence, impl_->committed_.load());
  put_in_order(changes);
  WM_TRY(impl_->apply(changes, sequence));
  for (size_t space = 0; space < spaces; ++space) impl_->overlay(space).remove_below(ends[space]);
  return impl_->checkpoint_if_full();
}

Result<uint64_t> StateStore::checkpoint() {
  WM_TRY(impl_->checkpoint());
  return impl_->committed_.load();
}

Status StateStore::begin_checkpoint() { return impl_->begin_checkpoint(); }

bool StateStore::is_checkpointing() const { return impl_->under_way_.has_value(); }

Result<uint64_t> StateStore::checkpointed() { return impl_->checkpointed(); }

uint64_t StateStore::committed() const { return impl_->committed_; }

uint64_t StateStore::bytes_since_checkpoint() const { return impl_->unflushed_bytes_; }

Status StateStore::replay(std::vector<Change> changes, uint64_t sequence) {
  std::vector<StateChangeToApply> list;
  list.reserve(changes.size());
  for (Change& change : changes)
    list.push_back({change.space, std::move(change.key),
                    std::make_shared<const std::optional<std::string>>(std::move(change.value))});
  put_in_order(list);
  WM_TRY(impl_->apply(list, sequence));
  return impl_->checkpoint_if_full();
}

Status StateStore::amend(std::vector<Change> changes) {
  return replay(std::move(changes), impl_->committed_);
}

size_t StateStore::overlay_entries() const {
  size_t entries = 0;
  const size_t spaces = impl_->count();
  for (size_t space = 0; space < spaces; ++space) entries += impl_->overlay(space).size();
  return entries;
}

}  // namespace wiremill
