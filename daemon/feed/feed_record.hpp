// A record of the result log as the feed sends it. Used by the feed, on the io thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "daemon/log/log.hpp"
#include "wiremill/v1/replay.pb.h"

namespace wiremill {

struct FeedRecord {
  std::string topic;
  v1::FeedHeader header;
  int64_t accepted_at_us = 0;
  zmq::message_t result;  // a serialised Result; copies of the message share it
  bool damaged = false;

  uint64_t sequence() const { return header.sequence(); }
};

// A record that cannot be read becomes a DEAD result of stage "log", code LOG_DAMAGED.
FeedRecord read_feed_record(const LogRecord& stored, uint64_t epoch);

// The next records of `reader`, at most so many and not much more than `bytes_max`, behind those
// in `out`. Answers their bytes.
Result<size_t> read_feed_records(LogReader& reader, size_t records_max, size_t bytes_max,
                                 uint64_t epoch, std::deque<FeedRecord>& out);

}  // namespace wiremill
