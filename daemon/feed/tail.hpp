// The newest records of the result log: read once, published, and kept for the streams that are near
// the head. Used by the feed, on the io thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "daemon/feed/feed_record.hpp"

namespace wiremill {

class Tail {
 public:
  // `publish` gets each new record once, in order.
  Tail(const Log& log, uint64_t epoch, std::function<void(const FeedRecord&)> publish);

  // Reads some of what is newly durable; forgets all and skips it while nobody listens. Answers
  // whether the tail grew. Errors: Io; the next call tries again.
  Result<bool> read(bool somebody_listens);
  // More is durable than was read.
  bool is_behind() const;

  // The first sequence that was not yet read.
  uint64_t next() const { return next_; }
  // Whether a stream at `sequence` can be served from here: it is kept, or not read yet.
  bool covers(uint64_t sequence) const;
  // The first record with at least this sequence; null where there is none.
  const FeedRecord* find(uint64_t sequence) const;

 private:
  const Log& log_;
  const uint64_t epoch_;
  const std::function<void(const FeedRecord&)> publish_;
  std::unique_ptr<LogReader> reader_;  // null while nobody listens
  std::deque<FeedRecord> records_;
  size_t bytes_ = 0;
  uint64_t next_;
};

}  // namespace wiremill
