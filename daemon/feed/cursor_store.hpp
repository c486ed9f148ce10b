// Named cursors on disk: how far each subscriber that has a name is done. The thread "cursors" writes
// them, so that no caller on the io thread waits for a disk. Commits of one cursor that wait are
// merged: only the newest is written.
//
// Beside the cursors it remembers with which sequence each epoch of the result log began, for a
// cursor may be older than the present epoch.
//
// Used by the feed: commit() and take_outcomes() on the io thread, the rest on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

// Everything up to `sequence` is done with, as the log stood in `epoch`.
struct CursorPlace {
  uint64_t epoch = 0, sequence = 0;
  int64_t committed_at_us = 0;
};

// 1 to 128 bytes of letters, digits and ._-
bool is_cursor_name(std::string_view name);

class CursorStore {
 public:
  // What became of the commits of one cursor that were written together, the newest of them.
  struct Outcome {
    std::string name;
    CursorPlace place;
    Status status;
    std::vector<std::string> peers;  // whose commits they were, each once
  };

  // `settled` is called on the thread "cursors" when there are outcomes to take; it does not wait.
  // Errors: Locked (another process holds the directory), Damaged, Unsupported (a version of the
  // future), NoSpace, Io.
  static Result<std::unique_ptr<CursorStore>> open(const std::string& directory, size_t cursors_max,
                                                   std::function<void()> settled,
                                                   FileSystem& files = real_file_system());
  // Writes what waits and ends the thread.
  ~CursorStore();

  // The result log is in `epoch`, which began with `first`. Waits for the disk. Before any commit.
  // Errors: NoSpace, Io.
  Status begin_epoch(uint64_t epoch, uint64_t first);
  // The first sequence whose result may be another one than it was in `epoch`; UINT64_MAX where
  // there is none. As of begin_epoch().
  uint64_t changed_from(uint64_t epoch) const;

  // The newest place, also one that is not on disk yet.
  std::optional<CursorPlace> find(const std::string& name) const;
  // Those on disk.
  std::map<std::string, CursorPlace> all() const;
  // Whether a cursor of this name exists or may be made. Errors: TooLarge.
  Status has_room_for(const std::string& name) const;

  // Does not wait: an outcome follows for `peer`. Errors: TooLarge (cursors_max), Busy (too many
  // answers are waited for).
  Status commit(const std::string& name, const CursorPlace& place, const std::string& peer);
  std::vector<Outcome> take_outcomes();

  // These wait until it is on disk. Errors: TooLarge, NotFound, NoSpace, Io.
  Status set(const std::string& name, const CursorPlace& place);
  Status remove(const std::string& name);

 private:
  using Places = std::map<std::string, std::optional<CursorPlace>>;  // none: removed
  struct Askers {
    std::vector<std::string> peers;
    std::vector<std::promise<Status>> callers;
  };

  CursorStore(std::string directory, size_t cursors_max, std::function<void()> settled,
              FileSystem& files);
  Status load();
  Status parse(std::string_view text);
  void run();
  Status write(const std::map<std::string, CursorPlace>& cursors);
  void settle(const Places& changes, std::map<std::string, Askers> askers, const Status& status);
  std::optional<CursorPlace> newest(const std::string& name) const WM_REQUIRES(mutex_);
  Status check_room(const std::string& name) const WM_REQUIRES(mutex_);
  Status change_and_wait(const std::string& name, std::optional<CursorPlace> place);

  // Constant after open() and begin_epoch().
  const std::string directory_;
  const size_t cursors_max_;
  const std::function<void()> settled_;
  FileSystem& files_;
  std::unique_ptr<FileLock> lock_;
  std::map<uint64_t, uint64_t> epochs_;  // epoch -> its first sequence; both ascend

  mutable Mutex mutex_;
  Condition condition_;
  std::map<std::string, CursorPlace> stored_ WM_GUARDED_BY(mutex_);
  Places waiting_ WM_GUARDED_BY(mutex_);
  std::map<std::string, Askers> askers_ WM_GUARDED_BY(mutex_);  // of what waits
  Places writing_ WM_GUARDED_BY(mutex_);
  size_t peers_waiting_ WM_GUARDED_BY(mutex_) = 0;
  std::vector<Outcome> outcomes_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace wiremill
