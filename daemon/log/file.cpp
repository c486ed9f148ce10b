// The real file system behind daemon/log/file.hpp: plain POSIX calls, interrupted and short ones
// carried on.
#include "daemon/log/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "daemon/log/recent_groups.hpp"

namespace wiremill {
namespace {

constexpr int64_t kZeroStepBytes = 1 << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  for (;;)
    if (const auto result = call(); result >= 0 || errno != EINTR) return result;
}

class RealFile final : public File {
 public:
  RealFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Status write_at(int64_t offset, std::string_view bytes) override {
    if (direct_) WM_TRY(set_direct(false));
    return write(offset, bytes);
  }

  // Saves the page cache a page for each block: their making costs more than all else of a write.
  Status write_blocks(int64_t offset, std::string_view bytes) override {
    if (!direct_ && !set_direct(true)) return write_at(offset, bytes);
    return write(offset, bytes);
  }

  Result<size_t> read_at(int64_t offset, char* into, size_t size) const override {
    size_t total = 0;
    while (total < size) {
      const ssize_t done = uninterrupted([&] {
        return ::pread(descriptor_.get(), into + total, size - total,
                       offset + static_cast<int64_t>(total));
      });
      if (done < 0) return fail_errno(errno, "cannot read", path_);
      if (done == 0) break;
      total += static_cast<size_t>(done);
    }
    return total;
  }

  // Not repeated, not even after EINTR: a sync that failed once says nothing when it later passes.
  Status sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return fail_errno(errno, "cannot sync", path_);
    return {};
  }

  Status allocate(int64_t size) override {
    // File systems without fallocate reserve the space when the zeros are written.
    if (uninterrupted([&] { return ::fallocate(descriptor_.get(), 0, 0, size); }) == 0) return {};
    if (errno != EOPNOTSUPP) return fail_errno(errno, "cannot reserve space for", path_);
    return truncate(size);
  }

  Status truncate(int64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(descriptor_.get(), size); }) != 0)
      return fail_errno(errno, "cannot set the size of", path_);
    return {};
  }

  Result<int64_t> size() const override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0)
      return fail_errno(errno, "cannot get the size of", path_);
    return status.st_size;
  }

  void forget(int64_t begin, int64_t end) const override {
    (void)::posix_fadvise(descriptor_.get(), begin, end - begin, POSIX_FADV_DONTNEED);
  }

 private:
  Status set_direct(bool direct) {
    const int flags = ::fcntl(descriptor_.get(), F_GETFL);
    if (flags < 0 ||
        ::fcntl(descriptor_.get(), F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
      return fail_errno(errno, "cannot write", path_);
    direct_ = direct;
    return {};
  }

  Status write(int64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t done = uninterrupted(
          [&] { return ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), offset); });
      if (done < 0 && errno == EINVAL && direct_) {  // a file system that says so only now
        WM_TRY(set_direct(false));
        continue;
      }
      if (done < 0) return fail_errno(errno, "cannot write", path_);
      if (done == 0) return fail_errno(ENOSPC, "cannot write", path_);
      bytes.remove_prefix(static_cast<size_t>(done));
      offset += done;
      // A direct write that ended inside a block goes on as a plain one.
      if (direct_ && done % kBlockBytes != 0) WM_TRY(set_direct(false));
    }
    return {};
  }

  const Descriptor descriptor_;
  const std::string path_;
  bool direct_ = false;  // the writer's own
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;
};

class RealFileSystem final : public FileSystem {
 public:
  Status make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST)
      return fail_errno(errno, "cannot make the directory", path);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* const handle = ::opendir(directory.c_str());
    if (handle == nullptr) return fail_errno(errno, "cannot list", directory);
    std::vector<std::string> names;
    int error = 0;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(handle);  // NOLINT(concurrency-mt-unsafe): own handle
      if (entry == nullptr) {
        error = errno;
        break;
      }
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(handle);
    if (error != 0) return fail_errno(error, "cannot list", directory);
    return names;
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC | (mode == OpenMode::Read ? O_RDONLY : O_RDWR);
    if (mode == OpenMode::Create) flags |= O_CREAT | O_TRUNC;
    Descriptor descriptor(uninterrupted([&] { return ::open(path.c_str(), flags, 0640); }));
    if (descriptor.get() < 0 && errno == ENOENT)
      return fail(ErrorCode::NotFound, "cannot open {}: no such file", path);
    if (descriptor.get() < 0) return fail_errno(errno, "cannot open", path);
    return std::make_unique<RealFile>(std::move(descriptor), path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno(errno, "cannot rename", from);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, "cannot remove", path);
    return {};
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor descriptor(
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (descriptor.get() < 0) return fail_errno(errno, "cannot open", path);
    if (::fsync(descriptor.get()) != 0) return fail_errno(errno, "cannot sync", path);
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor descriptor(
        uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); }));
    if (descriptor.get() < 0) return fail_errno(errno, "cannot open", path);
    if (uninterrupted([&] { return ::flock(descriptor.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock", path);
      return fail(ErrorCode::Locked, "{} is held by another process", path);
    }
    return std::make_unique<RealLock>(std::move(descriptor));
  }
};

}  // namespace

Status File::zero(int64_t begin, int64_t end) {
  Blocks zeros(0, std::min(kZeroStepBytes, end - begin));
  std::fill_n(zeros.at(0), zeros.bytes().size(), '\0');
  for (; begin < end; begin += kZeroStepBytes) {
    const int64_t step = std::min(kZeroStepBytes, end - begin);
    const std::string_view bytes = zeros.bytes().substr(0, static_cast<size_t>(step));
    const bool whole = begin % kBlockBytes == 0 && step % kBlockBytes == 0;
    WM_TRY(whole ? write_blocks(begin, bytes) : write_at(begin, bytes));
  }
  return {};
}

Status make_whole_file(FileSystem& files, const std::string& path, std::string_view bytes) {
  const auto file = files.open(path, OpenMode::Create);
  if (!file) return tl::unexpected(file.error());
  WM_TRY((*file)->write_at(0, bytes));
  return (*file)->sync();
}

FileSystem& real_file_system() {
  static RealFileSystem file_system;
  return file_system;
}

}  // namespace wiremill
