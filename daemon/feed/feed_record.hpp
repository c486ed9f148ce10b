// A record of the result log as the feed sends it. Used by the feed, on the io thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
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
  std::shared_ptr<const std::string> result;  // a serialised Result
  bool damaged = false;

  uint64_t sequence() const { return header.sequence(); }
};

// A record that cannot be read becomes a DEAD result of stage "log", code LOG_DAMAGED.
FeedRecord read_feed_record(const LogRecord& stored, uint64_t epoch);

// The next records of `reader`, at most so many and not much more than `bytes_max`, behind those
// in `out`.
Status read_feed_records(LogReader& reader, size_t records_max, size_t bytes_max, uint64_t epoch,
                         std::deque<FeedRecord>& out);

// Bytes of results that ZeroMQ holds for somebody: in pipes and on their way to the kernel.
using BytesHeld = std::shared_ptr<std::atomic<int64_t>>;

// A frame that shares the record's result, and is counted in `held` until ZeroMQ lets go of it.
zmq::message_t result_frame(const FeedRecord& record, const BytesHeld& held);

}  // namespace wiremill
