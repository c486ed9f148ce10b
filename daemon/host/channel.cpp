#include "daemon/host/channel.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace wiremill {
namespace {

constexpr size_t kControlBytes = 4096;
constexpr size_t kDocumentsOffset = kControlBytes + kOutboxBytes + kInboxBytes;
constexpr size_t kDocumentsBytesMin = 1 << 20;
constexpr std::string_view kName = "a stage's shared memory";

static_assert(sizeof(ChannelControl) <= kControlBytes &&
              std::atomic<uint64_t>::is_always_lock_free);

}  // namespace

Result<Channel> Channel::make() {
  Channel channel(true, memfd_create("wiremill-stage", MFD_CLOEXEC | MFD_ALLOW_SEALING),
                  eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC));
  if (channel.memory_fd_ < 0 || channel.to_child_fd_ < 0 || channel.to_daemon_fd_ < 0)
    return fail_errno(errno, "cannot make", kName);
  const size_t bytes = kDocumentsOffset + kDocumentsBytesMin;
  if (ftruncate(channel.memory_fd_, static_cast<off_t>(bytes)) != 0 ||
      fcntl(channel.memory_fd_, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
    return fail_errno(errno, "cannot size", kName);
  WM_TRY(channel.map(bytes));
  return channel;
}

Result<Channel> Channel::attach() {
  Channel channel(false, kMemoryFd, kToChildFd, kToDaemonFd);
  WM_TRY(channel.map(kDocumentsOffset + kDocumentsBytesMin));
  return channel;
}

Channel::Channel(Channel&& other) noexcept
    : daemon_(other.daemon_),
      memory_fd_(std::exchange(other.memory_fd_, -1)),
      to_child_fd_(std::exchange(other.to_child_fd_, -1)),
      to_daemon_fd_(std::exchange(other.to_daemon_fd_, -1)),
      base_(std::exchange(other.base_, nullptr)),
      bytes_(other.bytes_) {}

Channel::~Channel() {
  if (base_ != nullptr) munmap(base_, bytes_);
  for (const int fd : {memory_fd_, to_child_fd_, to_daemon_fd_})
    if (fd >= 0) close(fd);
}

char* Channel::outbox() const { return base_ + kControlBytes; }
char* Channel::inbox() const { return base_ + kControlBytes + kOutboxBytes; }

Result<char*> Channel::documents(size_t bytes) {
  const size_t wanted = kDocumentsOffset + bytes;
  if (wanted > bytes_) {
    const size_t larger = std::max(wanted, 2 * bytes_) / 4096 * 4096 + 4096;
    const size_t size = daemon_ ? larger : wanted;
    if (daemon_ && ftruncate(memory_fd_, static_cast<off_t>(size)) != 0)
      return fail_errno(errno, "cannot enlarge", kName);
    WM_TRY(map(size));
  }
  return base_ + kDocumentsOffset;
}

Status Channel::map(size_t bytes) {
  void* const base = base_ == nullptr
                         ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_, 0)
                         : mremap(base_, bytes_, bytes, MREMAP_MAYMOVE);
  if (base == MAP_FAILED) return fail_errno(errno, "cannot map", kName);
  base_ = static_cast<char*>(base);
  bytes_ = bytes;
  return {};
}

bool wake(int fd) {
  const uint64_t one = 1;
  return write(fd, &one, sizeof one) == sizeof one;
}

bool wait_for_wake(int fd) {
  uint64_t count = 0;
  ssize_t got;
  while ((got = read(fd, &count, sizeof count)) < 0 && errno == EINTR) {
  }
  return got == sizeof count;
}

}  // namespace wiremill
