// See feed_record.hpp.
#include "daemon/feed/feed_record.hpp"

#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

struct HeldResult {
  std::shared_ptr<const std::string> result;
  BytesHeld held;
  std::atomic<bool> complete{false};  // shows ThreadSanitizer the order that libzmq keeps
};

// On whatever thread ZeroMQ lets go of the frame.
void let_go(void*, void* hint) {
  const std::unique_ptr<HeldResult> holder(static_cast<HeldResult*>(hint));
  WM_INVARIANT(holder->complete.load(std::memory_order_acquire));
  holder->held->fetch_sub(static_cast<int64_t>(holder->result->size()), std::memory_order_relaxed);
}

}  // namespace

FeedRecord read_feed_record(const LogRecord& stored, uint64_t epoch) {
  FeedRecord record;
  record.header.set_sequence(stored.sequence);
  record.header.set_epoch(epoch);
  v1::ResultRecord parsed;
  record.damaged = stored.damaged || !parsed.ParseFromString(stored.payload);
  if (!record.damaged) {
    record.header.set_previous(parsed.previous());
    record.header.set_status(static_cast<v1::Result::Status>(parsed.status()));
    record.topic = std::move(*parsed.mutable_topic());
    record.accepted_at_us = parsed.accepted_at_us();
    record.result = std::make_shared<const std::string>(std::move(*parsed.mutable_result()));
    return record;
  }
  v1::Result lost;
  lost.set_sequence(stored.sequence);
  lost.set_status(v1::Result::DEAD);
  lost.mutable_failure()->set_stage("log");
  lost.mutable_failure()->set_code("LOG_DAMAGED");
  lost.mutable_failure()->set_message("the record of this result is damaged on disk");
  record.header.set_status(v1::Result::DEAD);
  record.topic = "und//";
  record.result = std::make_shared<const std::string>(lost.SerializeAsString());
  return record;
}

Status read_feed_records(LogReader& reader, size_t records_max, size_t bytes_max, uint64_t epoch,
                         std::deque<FeedRecord>& out) {
  std::vector<LogRecord> records;
  WM_TRY(reader.read(records_max, bytes_max, records));
  for (const LogRecord& record : records) out.push_back(read_feed_record(record, epoch));
  return {};
}

zmq::message_t result_frame(const FeedRecord& record, const BytesHeld& held) {
  auto* holder = new HeldResult{record.result, held};
  held->fetch_add(static_cast<int64_t>(record.result->size()), std::memory_order_relaxed);
  holder->complete.store(true, std::memory_order_release);
  // ZeroMQ wants a pointer to bytes that it could write to; it does not.
  return zmq::message_t(const_cast<char*>(record.result->data()), record.result->size(), let_go,
                        holder);
}

}  // namespace wiremill
