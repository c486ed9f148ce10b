// The log on the real file system, where the kernel interrupts calls, transfers less than was asked
// for, or fails: the calls of daemon/log/file.cpp are linked to the ones below (--wrap). Each n-th call
// of a small scenario goes wrong in each way, and then all of them do.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <filesystem>

#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"

namespace wiremill {
namespace {

enum class Way { None, Interrupted, Short, Error };

std::atomic<Way> g_way = Way::None;
std::atomic<size_t> g_at = 0;     // the n-th call goes wrong …
std::atomic<bool> g_all = false;  // … or each does, the first time it is tried
std::atomic<size_t> g_calls = 0;

bool goes_wrong() {
  const size_t now = g_calls++;
  return g_all ? now % 2 == 0 : now == g_at;
}

// Whether this call is to fail, with errno set. `restarts`: interrupted calls are repeated.
bool fails(bool restarts = true) {
  const Way way = g_way;
  if (way == Way::None || !goes_wrong() || way == Way::Short) return false;
  if (way == Way::Interrupted && !restarts) return false;
  errno = way == Way::Interrupted ? EINTR : EIO;
  return true;
}

size_t shortened(size_t size) {
  return g_way == Way::Short && size > 1 && goes_wrong() ? (size + 1) / 2 : size;
}

}  // namespace
}  // namespace wiremill

// NOLINTBEGIN(bugprone-reserved-identifier): the names that --wrap asks for.
extern "C" {
ssize_t __real_pwrite(int, const void*, size_t, off_t);
ssize_t __real_pread(int, void*, size_t, off_t);
int __real_fdatasync(int);
int __real_fsync(int);
int __real_fallocate(int, int, off_t, off_t);
int __real_ftruncate(int, off_t);
int __real_rename(const char*, const char*);
int __real_open(const char*, int, ...);

ssize_t __wrap_pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  if (wiremill::fails()) return -1;
  return __real_pwrite(fd, bytes, wiremill::shortened(size), offset);
}
ssize_t __wrap_pread(int fd, void* bytes, size_t size, off_t offset) {
  if (wiremill::fails()) return -1;
  return __real_pread(fd, bytes, wiremill::shortened(size), offset);
}
// An interrupted sync would be a failed one, and believed; Linux interrupts none.
int __wrap_fdatasync(int fd) { return wiremill::fails(false) ? -1 : __real_fdatasync(fd); }
int __wrap_fsync(int fd) { return wiremill::fails(false) ? -1 : __real_fsync(fd); }
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  return wiremill::fails() ? -1 : __real_fallocate(fd, mode, offset, size);
}
int __wrap_ftruncate(int fd, off_t size) {
  return wiremill::fails() ? -1 : __real_ftruncate(fd, size);
}
int __wrap_rename(const char* from, const char* to) {
  return wiremill::fails(false) ? -1 : __real_rename(from, to);
}
int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return wiremill::fails() ? -1 : __real_open(path, flags, mode);
}
}
// NOLINTEND(bugprone-reserved-identifier)

namespace wiremill {
namespace {

class KernelFault : public testing::Test {
 protected:
  struct Tally {
    uint64_t runs = 0, acknowledged = 0, read_only = 0, refused = 0;
  };

  void TearDown() override { g_way = Way::None; }

  static LogOptions options() {
    LogOptions options;
    options.directory = directory_;
    options.name = "intake";
    options.segment_bytes = 16 << 10;
    return options;
  }

  static inline std::string directory_;

  // Answers whether the n-th call came.
  static bool run(Way way, size_t at, bool all, Tally& tally) {
    std::filesystem::remove_all(directory_);
    g_calls = 0;
    g_at = at;
    g_all = all;
    g_way = way;
    std::atomic<uint64_t> acknowledged = 0;
    for (int start = 0; start < 2; ++start) {
      const auto log = Log::open(options());
      if (!log) {
        EXPECT_EQ(way, Way::Error) << log.error().message;
        ++tally.refused;
        continue;
      }
      (*log)->on_durable([&](uint64_t durable) { acknowledged = durable; });
      for (int i = 0; i < 12; ++i) {
        const auto sequence = (*log)->append(std::string(3000, 'a') + log_payload((*log)->next()));
        const Status flushed = (*log)->flush();
        if (sequence && flushed) continue;
        EXPECT_NE(way, Way::Short);
        EXPECT_FALSE((*log)->health());
        ++tally.read_only;
        break;
      }
      (void)(*log)->remove_below((*log)->durable() / 2);
    }
    g_way = Way::None;
    const size_t calls = g_calls;
    ++tally.runs;
    tally.acknowledged += acknowledged;

    const auto log = Log::open(options());
    EXPECT_TRUE(log) << log.error().message;
    if (!log) return false;
    EXPECT_GE((*log)->durable(), acknowledged) << "lost";
    std::vector<LogRecord> records;
    must((*log)->reader(1)->read(1 << 20, 1 << 30, records));
    uint64_t next = (*log)->statistics().first;
    for (const LogRecord& record : records) {
      EXPECT_EQ(record.sequence, next++);
      EXPECT_FALSE(record.damaged);
      EXPECT_EQ(record.payload, std::string(3000, 'a') + log_payload(record.sequence));
    }
    EXPECT_EQ(next, (*log)->durable() + 1);
    return calls > at;
  }

  static void run_all(Way way, const char* name) {
    Tally tally;
    const std::string folder = fmt::format("kernel_fault.{}", getpid());
    directory_ =
        std::filesystem::path(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir()) /
        folder;
    for (size_t at = 0; run(way, at, false, tally) && !HasFailure(); ++at) {
    }
    std::filesystem::remove_all(directory_);
    if (way != Way::Error) {
      directory_ = std::filesystem::path(testing::TempDir()) / folder;  // has O_DIRECT, mostly
      run(way, 0, true, tally);
      std::filesystem::remove_all(directory_);
    }
    fmt::print("kernel, {}: {} runs, {} acknowledged, {} read-only, {} not opened, {}\n", name,
               tally.runs, tally.acknowledged, tally.read_only, tally.refused,
               HasFailure() ? "FAILED" : "0 lost");
    EXPECT_GT(tally.runs, 100U);
  }
};

TEST_F(KernelFault, InterruptedCalls) { run_all(Way::Interrupted, "EINTR"); }
TEST_F(KernelFault, ShortTransfers) { run_all(Way::Short, "short"); }
TEST_F(KernelFault, Errors) { run_all(Way::Error, "EIO"); }

}  // namespace
}  // namespace wiremill
