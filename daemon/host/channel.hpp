// Shared memory and two wake-ups between the daemon and one child that runs a stage. One side works
// while the other waits, so nothing here locks:
//
//     control | outbox, 1 MiB: child to daemon | inbox, 2 MiB + 64 KiB: daemon to child | documents
//
// The daemon believes nothing that it reads here: the child may write anywhere at any time. The
// memory cannot shrink (sealed), so that it cannot take the pages away either.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "daemon/base/error.hpp"

namespace wiremill {

// What is handed over, in both directions.
enum class Handover : uint32_t {
  // daemon to child
  Start,    // inbox: StageStart
  Process,  // documents
  Settle,   // documents
  Reply,    // inbox: frames, the answer to what was asked
  GoOn,     // the outbox is free again
  // child to daemon; outbox: frames
  Loaded,   // outbox: StageDescriptor
  Refused,  // outbox: why, in words
  Started,
  Events,  // more follow
  Asked,   // the last event waits for a Reply
  Done,    // the call is over; `code` is what the plugin returned
};

struct ChannelControl {
  std::atomic<uint32_t> handover;
  std::atomic<uint32_t> bytes;  // in outbox or inbox
  std::atomic<int32_t> code;
  std::atomic<uint32_t> documents_count;
  std::atomic<uint64_t> documents_bytes;
  // Which document the stage is at, as place_of() says it, and since when (CLOCK_MONOTONIC).
  std::atomic<uint64_t> place;
  std::atomic<int64_t> began_ns;
  std::atomic<uint32_t> cancelled;
};

inline constexpr uint32_t kNoDocument = UINT32_MAX;

// Both halves must agree, so that a stage which writes where it should not blames nobody by it.
inline uint64_t place_of(uint32_t document) { return uint64_t{~document} << 32 | document; }
// kNoDocument: it did not say.
inline uint32_t document_at(uint64_t place) {
  const auto document = static_cast<uint32_t>(place);
  return place == place_of(document) ? document : kNoDocument;
}
inline constexpr size_t kOutboxBytes = 1 << 20;
inline constexpr size_t kInboxBytes = (2 << 20) + (64 << 10);

// The descriptors that a child starts with, beside standard input, output and error.
inline constexpr int kMemoryFd = 3;
inline constexpr int kToChildFd = 4;
inline constexpr int kToDaemonFd = 5;

// An end of a channel; owns its descriptors and mappings. One thread at a time.
class Channel {
 public:
  // The daemon's end of a new one. Errors: Io.
  static Result<Channel> make();
  // The child's end, of the descriptors that it was given.
  static Result<Channel> attach();
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  // Valid until documents() is called.
  ChannelControl& control() const { return *reinterpret_cast<ChannelControl*>(base_); }
  char* outbox() const;
  char* inbox() const;
  // `bytes` of documents: the daemon makes the memory larger where it must, the child follows.
  Result<char*> documents(size_t bytes);

  // How much of it there is.
  size_t bytes() const { return bytes_; }

  int memory_fd() const { return memory_fd_; }
  int to_child_fd() const { return to_child_fd_; }
  int to_daemon_fd() const { return to_daemon_fd_; }

 private:
  Channel(bool daemon, int memory_fd, int to_child_fd, int to_daemon_fd)
      : daemon_(daemon),
        memory_fd_(memory_fd),
        to_child_fd_(to_child_fd),
        to_daemon_fd_(to_daemon_fd) {}
  Status map(size_t bytes);

  bool daemon_;
  int memory_fd_, to_child_fd_, to_daemon_fd_;
  char* base_ = nullptr;
  size_t bytes_ = 0;
};

// The other side may go on. False: the descriptor is gone.
bool wake(int fd);
// Waits to be woken. False likewise.
bool wait_for_wake(int fd);

}  // namespace wiremill
