// The way out: results from the result log to subscribers. The replay ROUTER is the reliable one:
// it reads the log from wherever a subscriber wants and goes on past the head. The XPUB is live and
// best effort. Messages: proto/wiremill/v1/replay.proto. Made and destroyed by main; works on the
// io thread, and on the thread "cursors" where it writes to disk.
//
// Main calls SocketLoop::wake() from the result log's durable listener.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

class Log;
class SocketLoop;

struct FeedOptions {
  std::string endpoint = "tcp://127.0.0.1:5751";         // XPUB
  std::string replay_endpoint = "tcp://127.0.0.1:5752";  // ROUTER
  int64_t heartbeat_ms = 1000;
  size_t subscribers_max = 1024;  // streams of the replay endpoint
  std::string cursors_directory;  // where named cursors are kept; its parent must exist
  size_t cursors_max = 1000;
  // What waits to be sent. Per XPUB subscriber in messages: what comes beyond is lost to it. For all
  // of them together in bytes: what comes beyond is published to nobody.
  int feed_messages_max = 10'000;
  int64_t feed_bytes_max = 256 << 20;
  // Per stream of replay, in messages and in bytes of results; the rest waits in the log.
  int replay_messages_max = 1000;
  int64_t replay_bytes_max = 16 << 20;
};

// Counted where it happens, read from any thread.
struct FeedCounters {
  std::atomic<uint64_t> published{0};      // records given to the XPUB
  std::atomic<uint64_t> unpublished{0};    // records over feed_bytes_max
  std::atomic<uint64_t> replayed{0};       // items sent by replay
  std::atomic<uint64_t> refused{0};        // fetches answered with an error
  std::atomic<uint64_t> vanished{0};       // streams whose peer was gone
  std::atomic<uint64_t> subscribers{0};    // streams now
  std::atomic<uint64_t> subscriptions{0};  // different topics subscribed to at the XPUB now
  std::atomic<uint64_t> read_errors{0};
};

class Feed {
 public:
  // Opens the cursors, binds the sockets and adds them to the loop, which is not started yet. Both
  // outlive the feed. Errors: as bind_socket(); of the cursors Locked (another process holds them),
  // Damaged, NoSpace, Io.
  static Result<std::unique_ptr<Feed>> open(const FeedOptions& options, SocketLoop& loop,
                                            const Log& results);
  // After the loop has stopped.
  ~Feed();

  std::string endpoint() const;
  std::string replay_endpoint() const;

  // Named cursors and the streams that follow, for operators. Any thread.
  struct Cursor {
    std::string name;
    uint64_t epoch = 0, sequence = 0;
    int64_t committed_at_us = 0;
  };
  std::vector<Cursor> cursors() const;
  // As COMMIT and its end; both wait until it is on disk. Errors: NotFound (remove), TooLarge
  // (cursors_max), Malformed (its name, or beyond the newest result), NoSpace, Io.
  Status set_cursor(const std::string& name, uint64_t sequence);
  Status remove_cursor(const std::string& name);
  // The streams of replay, as of the last heartbeat.
  struct Subscriber {
    std::string cursor;  // empty: without one
    uint64_t position = 0, credit = 0, sent = 0;
    bool follow = false;
  };
  std::vector<Subscriber> subscribers() const;

  const FeedCounters& counters() const;

 private:
  class Impl;
  explicit Feed(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
