// See tail.hpp.
#include "daemon/feed/tail.hpp"

#include <algorithm>

namespace wiremill {
namespace {

constexpr size_t kReadRecords = 256, kReadBytes = 1 << 20;  // at once
constexpr size_t kRecordsMax = 4096, kBytesMax = 16 << 20;

}  // namespace

Tail::Tail(const Log& log, uint64_t epoch, std::function<void(const FeedRecord&)> publish)
    : log_(log), epoch_(epoch), publish_(std::move(publish)), next_(log.durable() + 1) {}

Result<bool> Tail::read(bool somebody_listens) {
  if (!somebody_listens) {
    reader_.reset();
    records_.clear();
    bytes_ = 0;
    next_ = log_.durable() + 1;
    return false;
  }
  if (log_.durable() < next_) return false;
  if (!reader_) reader_ = log_.reader(next_);
  const size_t before = records_.size();
  if (Status read = read_feed_records(*reader_, kReadRecords, kReadBytes, epoch_, records_);
      !read) {
    reader_.reset();
    records_.resize(before);
    return tl::unexpected(std::move(read).error());
  }
  if (records_.size() == before) return false;
  for (size_t i = before; i < records_.size(); ++i) {
    publish_(records_[i]);
    bytes_ += records_[i].result->size();
  }
  next_ = records_.back().sequence() + 1;
  while (records_.size() > kRecordsMax || (bytes_ > kBytesMax && records_.size() > 1)) {
    bytes_ -= records_.front().result->size();
    records_.pop_front();
  }
  return true;
}

bool Tail::is_behind() const { return reader_ && next_ <= log_.durable(); }

bool Tail::covers(uint64_t sequence) const {
  return sequence >= next_ || (!records_.empty() && records_.front().sequence() <= sequence);
}

const FeedRecord* Tail::find(uint64_t sequence) const {
  const auto found = std::lower_bound(
      records_.begin(), records_.end(), sequence,
      [](const FeedRecord& record, uint64_t wanted) { return record.sequence() < wanted; });
  return found == records_.end() ? nullptr : &*found;
}

}  // namespace wiremill
