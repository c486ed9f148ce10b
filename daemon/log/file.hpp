// The narrow seam between the log and the disk: everything that the log does to files goes through
// here, so that a test can stand in for the kernel, record what was written and synced, lose what
// was not, and let any call fail. Used by daemon/log alone.
//
// Wherever it says Io, it may be NoSpace where the kernel says so.
//
// Any thread; one File may be read by several threads, and be written by one at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

// What direct writes are aligned to.
inline constexpr int64_t kBlockBytes = 4096;

class Readable {
 public:
  virtual ~Readable() = default;
  // Up to `size` bytes; fewer only at the end of the file. Errors: Io.
  virtual Result<size_t> read_at(int64_t offset, char* into, size_t size) const = 0;
  virtual Result<int64_t> size() const = 0;
};

class File : public Readable {
 public:
  // All of `bytes`; grows the file where they go past its end. Errors: Io.
  virtual Status write_at(int64_t offset, std::string_view bytes) = 0;
  // The same past the page cache, where the file system can: for large writes whose bytes the
  // caller keeps as long as they are wanted. Place, size and address are multiples of kBlockBytes.
  virtual Status write_blocks(int64_t offset, std::string_view bytes) {
    return write_at(offset, bytes);
  }
  // fdatasync: the bytes and the size are on the medium. Errors: Io.
  virtual Status sync() = 0;
  // Reserves space for `size` bytes and makes the file that long. Errors: Io.
  virtual Status allocate(int64_t size) = 0;
  // Overwrites [begin, end) with zeros. Errors: Io.
  Status zero(int64_t begin, int64_t end);
  virtual Status truncate(int64_t size) = 0;
  // The bytes need not stay in the page cache. A hint.
  virtual void forget(int64_t /*begin*/, int64_t /*end*/) const {}
};

// Held as long as it lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode { Read, Write, Create };  // Create: read and write, emptied where it exists

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Ok where it exists already.
  virtual Status make_directory(const std::string& path) = 0;
  // File names without their directory, in no order.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Errors: NotFound, Io.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Replaces `to`.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Ok where it is gone already.
  virtual Status remove(const std::string& path) = 0;
  // Creations, renames and removals in it are on the medium.
  virtual Status sync_directory(const std::string& path) = 0;
  // Errors: Locked (at once, without waiting), Io.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// Makes `path`, of `bytes`, on the medium but for its name, which a rename and a sync of the directory
// follow. Errors: Io.
Status make_whole_file(FileSystem& files, const std::string& path, std::string_view bytes);

// The kernel's. Lives as long as the program.
FileSystem& real_file_system();

}  // namespace wiremill
