// A file system in memory for tests of the log: remembers every operation in order, so that a test
// can stop time after any of them and ask what a disk might hold if the power had failed just then;
// and can be told to let operations fail. Any thread.
//
// The model of a power cut: what was synced stays. Of every later write, each sector of 512 bytes
// is kept or lost on its own. Of the directory's changes since its last sync, a random number of
// the first ones is kept (a journal keeps their order).
#pragma once

#include <functional>
#include <map>
#include <random>
#include <set>

#include "daemon/base/thread.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

class MemoryFileSystem final : public FileSystem {
 public:
  enum class Kind { Open, Write, Sync, Resize, Rename, Remove, SyncDirectory };

  // Is asked before each operation; an error makes it fail without effect.
  using Gate = std::function<Status(Kind kind, const std::string& path)>;
  void set_gate(Gate gate);

  // How many operations there were so far.
  size_t operations() const;
  // What a disk may hold after a power cut that follows operation number `count`.
  std::unique_ptr<MemoryFileSystem> power_cut(size_t count, std::mt19937_64& random) const;

  // For looking at and tampering with the contents.
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
  struct Operation {
    Kind kind = Kind::Open;
    size_t node = 0;       // of Open (created), Write, Sync, Resize
    int64_t at = 0;        // offset, or the new size
    std::string bytes;     // of a Write
    std::string from, to;  // paths: Open, Rename and Remove use `from`
  };
  Status pass_gate(Kind kind, const std::string& path) const;

  mutable Mutex mutex_;
  Gate gate_ WM_GUARDED_BY(mutex_);
  std::vector<std::string> nodes_ WM_GUARDED_BY(mutex_);  // contents as the kernel shows them
  std::map<std::string, size_t> names_ WM_GUARDED_BY(mutex_);
  std::vector<Operation> operations_ WM_GUARDED_BY(mutex_);
  std::set<std::string> locks_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill
