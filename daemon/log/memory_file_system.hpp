// A file system in memory for tests of what is stored: remembers every operation of all its files in
// one order, so that a test can stop time after any of them and ask what a disk might hold if the
// power had failed just then; and can be told to let operations fail. Any thread.
//
// What the model assumes of the disk and the kernel:
// - What was synced stays. Of every later write to a file, all is lost, all is kept, a beginning or an
//   end of it is kept to a sector of 512 bytes, or each sector by chance; a sector is never half old.
// - Of bytes that make a file longer, and were not reserved before, a beginning is kept: file systems
//   write the new size after the bytes (ext4 with data=ordered, XFS). Logs reserve their space.
// - Of a directory's changes since its last sync, a random number of the first ones is kept (a journal
//   keeps their order); directories know nothing of each other, and syncing a file does not sync its
//   name. Directories themselves are always there: a missing sync of a parent is not seen.
// - A failed sync drops what it was to write: each sector of it may have reached the disk, and no
//   later sync will write it, although the page cache still shows it (what Linux does).
// - A failed write has written the first half of its bytes.
// It cannot see what a disk does that answers a flush before it is done.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "daemon/base/thread.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

class MemoryFileSystem final : public FileSystem {
 public:
  enum class Kind { Open, Read, Write, Sync, Resize, Rename, Remove, SyncDirectory };

  // Is asked before each operation; an error makes it fail.
  using Gate = std::function<Status(Kind kind, const std::string& path)>;
  void set_gate(Gate gate);

  // The process is dead: from now on nothing has an effect, and everything fails; what was written
  // stays in the page cache. What the process had open may then be closed, and revive() lets the next
  // one begin.
  void kill();
  void revive();

  // How many operations there were so far; those that only look are not counted.
  size_t operations() const;
  // What a disk may hold after a power cut that follows operation number `count`.
  std::unique_ptr<MemoryFileSystem> power_cut(size_t count, std::mt19937_64& random) const;

  // The disk below, at a moment that only goes forward: many images of one run cost one replay.
  class Disk;

  // For looking at and tampering with the contents; what is set counts as synced.
  std::string contents(const std::string& path) const;
  void set_contents(const std::string& path, std::string bytes);

  Status make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  class MemoryFile;
  class MemoryLock;
  enum class Change { Open, Write, Resize, Sync, FailedSync, Rename, Remove, SyncDirectory };
  struct Operation {
    Change change = Change::Open;
    size_t node = 0;    // of Open, Write, Resize, Sync and FailedSync
    int64_t at = 0;     // offset, or the new size
    std::string bytes;  // of a Write
    std::string from;   // Open, Rename, Remove: the path; SyncDirectory: the directory
    std::string to;     // of a Rename
  };
  Status pass_gate(Kind kind, const std::string& path) const;
  Status alive() const WM_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Gate gate_ WM_GUARDED_BY(mutex_);
  bool dead_ WM_GUARDED_BY(mutex_) = false;
  std::deque<std::string> nodes_ WM_GUARDED_BY(mutex_);  // contents as the kernel shows them
  std::map<std::string, size_t> names_ WM_GUARDED_BY(mutex_);
  std::deque<Operation> operations_ WM_GUARDED_BY(mutex_);
  std::set<std::string> locks_ WM_GUARDED_BY(mutex_);
  // Before the first operation; all of it is on the disk.
  std::map<std::string, size_t> first_names_ WM_GUARDED_BY(mutex_);
  std::map<size_t, std::string> first_contents_ WM_GUARDED_BY(mutex_);
};

class MemoryFileSystem::Disk {
 public:
  explicit Disk(const MemoryFileSystem& files);
  // Goes on to the moment after operation number `count`, which is not before the present one.
  void advance(size_t count, std::mt19937_64& random);
  // What the disk may hold if the power fails now.
  std::unique_ptr<MemoryFileSystem> image(std::mt19937_64& random) const;
  // The files on the disk with sectors that are written and not synced, and how many.
  std::map<std::string, size_t> unsynced_sectors() const;
  // Calls `visit` with an image for each place where such a file may be torn: its sectors, oldest
  // first, are kept up to the n-th, from it on, all but it, and it alone. What else is not synced is
  // kept by chance.
  void tear(const std::string& path, std::mt19937_64& random,
            const std::function<void(MemoryFileSystem&)>& visit) const;

 private:
  struct Node {
    std::string synced;
    std::vector<const Operation*> unsynced;
  };
  using Names = std::map<std::string, size_t>;
  static void change_names(Names& names, const Operation& operation);
  using Keeps = std::function<bool(size_t sector)>;  // of those not synced, oldest first
  static void sync_some(Node& node, const Keeps& keeps);
  static void sync_by_chance(Node& node, std::mt19937_64& random);
  static size_t sectors_in(const Node& node);
  Names names_by_chance(std::mt19937_64& random) const;
  static std::unique_ptr<MemoryFileSystem> make_image(
      const Names& names, const std::function<std::string(size_t node)>& contents);

  const MemoryFileSystem& files_;
  size_t count_ = 0;
  std::map<size_t, Node> nodes_;
  Names names_;  // on the disk
  std::map<std::string, std::vector<const Operation*>> directory_changes_;
};

}  // namespace wiremill
