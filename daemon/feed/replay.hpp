// The replay endpoint: streams of results from wherever a subscriber wants, and the commits of named
// cursors. Messages and their meaning: proto/wiremill/v1/replay.proto, docs/protocol.md. Owned by
// the feed; works on the io thread but for subscribers().
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/base/thread.hpp"
#include "daemon/feed/cursor_store.hpp"
#include "daemon/feed/feed.hpp"
#include "daemon/feed/filter.hpp"
#include "daemon/feed/tail.hpp"
#include "daemon/sockets/socket.hpp"

namespace wiremill {

// The binary search for the first record at or after a time, one probe a turn.
struct TimeSearch {
  int64_t time_us = 0;
  uint64_t low = 1, high = 1;  // the answer is in [low, high]
};

// One subscriber's.
struct Stream {
  std::string routing_id;
  uint64_t number = 0;
  std::string cursor;  // as fetched from or committed to
  Filter filter;
  uint64_t credit = 0;
  bool follow = false;
  std::optional<uint64_t> rewound_to;  // not yet told
  std::optional<TimeSearch> search;
  uint64_t position = 1;              // the next sequence
  uint64_t head = 0;                  // the newest when it was fetched: it goes at least that far
  std::unique_ptr<LogReader> reader;  // while it is behind the tail
  std::deque<FeedRecord> records;     // from the reader, not yet sent
  BytesHeld held = std::make_shared<std::atomic<int64_t>>(0);
  uint64_t sent = 0;
  bool at_head = false;  // and told so
  bool full = false;     // its pipe, when last tried
  bool moved = false;    // since the last heartbeat
};

class Replay {
 public:
  Replay(const FeedOptions& options, const Log& log, uint64_t epoch, Tail& tail,
         CursorStore& cursors, FeedCounters& counters);

  // Errors: as bind_socket().
  Status bind(zmq::context_t& context);
  zmq::socket_t& socket() { return router_; }

  void handle(Frames& frames);
  // Moves the streams on; `news`: the tail grew. Answers whether there is more to do at once.
  bool turn(bool news);
  void heartbeat();
  // Streams whose pipe was full are tried again.
  void retry_full();
  bool has_streams() const { return !streams_.empty(); }

  // As of the last heartbeat. Any thread.
  std::vector<Feed::Subscriber> subscribers() const;

 private:
  enum class Served { Done, More, Over };
  // What is left of a turn's bounds.
  struct Budget {
    size_t records, reads;
  };
  struct Begin {
    uint64_t position = 1;
    std::optional<uint64_t> rewound_to;
  };
  struct Answer {
    std::string routing_id;
    v1::ReplayReply reply;
  };

  void handle_fetch(const std::string& routing_id, const v1::Fetch& fetch);
  Status place(Stream& stream, const v1::Fetch& fetch);
  Result<Begin> behind(uint64_t epoch, uint64_t sequence) const;
  void handle_commit(const std::string& routing_id, const v1::Commit& commit);
  void refuse(const std::string& routing_id, uint64_t stream, std::string_view code,
              std::string message, bool commit = false);
  void answer_commits();

  Served serve(Stream& stream, Budget& budget);
  Served serve_record(Stream& stream, const FeedRecord& record);
  uint64_t head_of(const Stream& stream) const;
  Served say_head(Stream& stream);
  Result<const FeedRecord*> next_record(Stream& stream, Budget& budget, bool& exhausted);
  Served end_unreadable(Stream& stream, const Error& error);
  void probe(Stream& stream);
  Sent send(Stream& stream, v1::ReplayReply& reply, const FeedRecord* record = nullptr);
  void forget(std::list<Stream>::iterator stream);
  void note_subscribers();

  const FeedOptions options_;
  const Log& log_;
  const uint64_t epoch_;
  Tail& tail_;
  CursorStore& cursors_;
  FeedCounters& counters_;
  zmq::socket_t router_;

  // The io thread's own.
  std::list<Stream> streams_;
  std::unordered_map<std::string, std::list<Stream>::iterator> by_peer_;
  std::deque<Answer> answers_;  // to commits, not yet sent
  bool work_left_ = false;      // a request came, or a turn ended early

  mutable Mutex mutex_;
  std::vector<Feed::Subscriber> subscribers_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill
