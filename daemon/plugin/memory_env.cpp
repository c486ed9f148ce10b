// See memory_env.hpp.
#include "daemon/plugin/memory_env.hpp"

#include <rocksdb/file_system.h>

namespace wiremill {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus to_rocksdb(const Error& error) {
  if (error.code == ErrorCode::NotFound) return IOStatus::PathNotFound(error.message);
  if (error.code == ErrorCode::NoSpace) return IOStatus::NoSpace(error.message);
  return IOStatus::IOError(error.message);
}

IOStatus to_rocksdb(const Status& status) {
  return status ? IOStatus::OK() : to_rocksdb(status.error());
}

IOStatus read(const File& file, uint64_t offset, size_t size, Slice* result, char* scratch) {
  const auto got = file.read_at(static_cast<int64_t>(offset), scratch, size);
  *result = Slice(scratch, got ? *got : 0);
  return got ? IOStatus::OK() : to_rocksdb(got.error());
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status = read(*file_, offset_, size, result, scratch);
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t bytes) override {
    offset_ += bytes;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read(*file_, offset, size, result, scratch);
  }

 private:
  const std::unique_ptr<File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  explicit WritableFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& bytes, const IOOptions&, IODebugContext*) override {
    const Status status = file_->write_at(end_, {bytes.data(), bytes.size()});
    if (status) end_ += static_cast<int64_t>(bytes.size());
    return to_rocksdb(status);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    if (static_cast<int64_t>(size) == end_) return IOStatus::OK();
    end_ = static_cast<int64_t>(size);
    return to_rocksdb(file_->truncate(end_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return to_rocksdb(file_->sync()); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return static_cast<uint64_t>(end_);
  }

 private:
  const std::unique_ptr<File> file_;
  int64_t end_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(MemoryFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.sync_directory(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  MemoryFileSystem& files_;
  const std::string path_;
};

struct Lock final : rocksdb::FileLock {
  explicit Lock(std::unique_ptr<wiremill::FileLock> lock) : held(std::move(lock)) {}
  const std::unique_ptr<wiremill::FileLock> held;
};

class NoLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

class MemoryFiles final : public rocksdb::FileSystem {
 public:
  explicit MemoryFiles(MemoryFileSystem& files) : files_(files) {}
  const char* Name() const override { return "wiremill.MemoryFiles"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    return open<SequentialFile>(path, OpenMode::Read, result);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    return open<RandomAccessFile>(path, OpenMode::Read, result);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    return open<WritableFile>(path, OpenMode::Create, result);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<Directory>(files_, without_slash(path));
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto file = files_.open(path, OpenMode::Read);
    if (!file && file.error().code == ErrorCode::NotFound) return IOStatus::NotFound();
    return file ? IOStatus::OK() : to_rocksdb(file.error());
  }
  IOStatus GetChildren(const std::string& directory, const IOOptions&,
                       std::vector<std::string>* result, IODebugContext*) override {
    auto names = files_.list(without_slash(directory));
    if (!names) return to_rocksdb(names.error());
    *result = std::move(*names);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.remove(path));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.make_directory(path));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.make_directory(path));
  }
  IOStatus DeleteDir(const std::string&, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    const auto file = files_.open(path, OpenMode::Read);
    if (!file) return to_rocksdb(file.error());
    *size = static_cast<uint64_t>((*file)->size().value());
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return to_rocksdb(files_.rename(from, to));
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    auto held = files_.lock(path);
    if (!held) return to_rocksdb(held.error());
    *lock = new Lock(std::move(*held));
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete static_cast<Lock*>(lock);
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/test";
    return IOStatus::OK();
  }
  // Its own log of what it does is nothing that a test looks at.
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<NoLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    *is_directory = !files_.open(path, OpenMode::Read);
    return IOStatus::OK();
  }

 private:
  static std::string without_slash(std::string path) {
    while (path.ends_with('/')) path.pop_back();
    return path;
  }

  template <class Made, class Base>
  IOStatus open(const std::string& path, OpenMode mode, std::unique_ptr<Base>* result) {
    auto file = files_.open(path, mode);
    if (!file) return to_rocksdb(file.error());
    *result = std::make_unique<Made>(std::move(*file));
    return IOStatus::OK();
  }

  MemoryFileSystem& files_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_memory_env(MemoryFileSystem& files) {
  return rocksdb::NewCompositeEnv(std::make_shared<MemoryFiles>(files));
}

}  // namespace wiremill
