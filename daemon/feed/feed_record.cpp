// See feed_record.hpp.
#include "daemon/feed/feed_record.hpp"

#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

zmq::message_t message_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
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
    record.result = message_of(parsed.result());
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
  record.result = message_of(lost.SerializeAsString());
  return record;
}

Result<size_t> read_feed_records(LogReader& reader, size_t records_max, size_t bytes_max,
                                 uint64_t epoch, std::deque<FeedRecord>& out) {
  std::vector<LogRecord> records;
  WM_TRY(reader.read(records_max, bytes_max, records));
  size_t bytes = 0;
  for (const LogRecord& record : records) {
    bytes += record.payload.size();
    out.push_back(read_feed_record(record, epoch));
  }
  return bytes;
}

}  // namespace wiremill
