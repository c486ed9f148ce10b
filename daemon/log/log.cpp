// The log itself (daemon/log/log.hpp): the queue, and the writer thread that turns what is queued
// into groups, shows them, and decides what a failure means.
//
// Why a thread of its own and not the callers' own writes: while one fdatasync runs, everything
// that arrives gathers in the queue and shares the next one, so the slower the disk, the larger the
// groups. A caller pays a mutex and a move.
#include "daemon/log/log.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/group_writer.hpp"
#include "daemon/log/mark.hpp"
#include "daemon/log/opening.hpp"
#include "daemon/log/reader.hpp"
#include "daemon/log/recent_groups.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kGroupBytesMax = 8 << 20;  // or one record
constexpr size_t kRecentBytesMax = 32 << 20;
constexpr size_t kRecordBytesMax = 1 << 30;
constexpr auto kSpaceRetryAfter = std::chrono::seconds(1);

}  // namespace

class Log::Impl {
 public:
  Impl(const LogOptions& options, FileSystem& files, LogStart start)
      : options_(options),
        files_(files),
        epoch_(start.newest.epoch),
        epoch_first_(start.epoch_first),
        torn_bytes_(start.torn_bytes),
        group_bytes_max_(std::min(kGroupBytesMax, options.segment_bytes - kSegmentHeaderBytes)),
        lock_(std::move(start.lock)),
        catalog_(start.newest.next - 1),
        next_(start.newest.next),
        synced_(start.newest.next - 1),
        writer_(files, options_, catalog_, recent_, enlist(std::move(start))) {}

  Status start() {
    WM_TRY(writer_.begin());
    thread_ = std::thread([this] { run(); });
    return {};
  }

  ~Impl() {
    if (!thread_.joinable()) return;
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    thread_.join();
  }

  Result<uint64_t> append(std::string payload) WM_EXCLUDES(mutex_) {
    if (payload.size() > kRecordBytesMax)
      return fail(ErrorCode::TooLarge, "a record of {} bytes is over the log's limit of {}",
                  payload.size(), kRecordBytesMax);
    const int64_t bytes = record_bytes(payload.size());
    uint64_t sequence = 0;
    bool wake = false;
    {
      const MutexLock lock(mutex_);
      if (!health_ && health_.error().code != ErrorCode::NoSpace)
        return tl::unexpected(health_.error());
      if (queued_bytes_ > 0 && queued_bytes_ + bytes > options_.queue_bytes_max)
        return fail(ErrorCode::Busy, "{} bytes wait to be written to the log in {}", queued_bytes_,
                    options_.directory);
      queue_.push_back(std::move(payload));
      queued_bytes_ += bytes;
      sequence = next_++;
      wake = std::exchange(writer_waits_, false);
    }
    if (wake) work_.notify_one();
    return sequence;
  }

  uint64_t durable() const { return catalog_.durable(); }

  uint64_t next() const WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return next_;
  }

  void on_durable(std::function<void(uint64_t)> listener) WM_EXCLUDES(listener_mutex_) {
    const MutexLock lock(listener_mutex_);
    listener_ = std::move(listener);
  }

  Status flush() WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const uint64_t wanted = next_ - 1;
    while (durable() < wanted && health_) published_.wait(mutex_);
    if (durable() < wanted) return health_;
    return {};
  }

  bool flush_within(std::chrono::milliseconds at_most) WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const uint64_t wanted = next_ - 1;
    const auto until = Clock::now() + at_most;
    while (durable() < wanted && health_)
      if (!published_.wait_for(mutex_, until - Clock::now())) break;
    return durable() >= wanted;
  }

  Status sync() WM_EXCLUDES(mutex_) {
    if (options_.durability == Durability::Always) return {};
    const MutexLock lock(mutex_);
    const uint64_t wanted = durable();
    if (synced_ >= wanted) return {};
    sync_asked_ = true;
    work_.notify_one();
    while (synced_ < wanted && health_) published_.wait(mutex_);
    if (synced_ < wanted) return health_;
    return {};
  }

  Status health() const WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return health_;
  }

  std::unique_ptr<LogReader::Impl> reader(uint64_t sequence, Caching caching) const {
    // Whoever leaves the page cache alone wants to see the medium.
    const RecentGroups* recent = caching == Caching::Leave ? nullptr : &recent_;
    return std::make_unique<LogReader::Impl>(files_, catalog_, recent, options_.name, sequence,
                                             caching);
  }

  Status remove_below(uint64_t sequence) WM_EXCLUDES(remove_mutex_) {
    const MutexLock lock(remove_mutex_);
    for (std::string& path : catalog_.take_below(sequence)) removable_.push_back(std::move(path));
    if (removable_.empty()) return {};
    fail_point("retention.before_remove");
    // Oldest first, also after an error, so that what is left has no hole.
    for (; !removable_.empty(); removable_.pop_front()) WM_TRY(files_.remove(removable_.front()));
    fail_point("retention.removed");
    return files_.sync_directory(options_.directory);
  }

  uint64_t first_within(uint64_t bytes) const { return catalog_.first_within(bytes); }

  const std::string& directory() const { return options_.directory; }

  LogStatistics statistics() const WM_EXCLUDES(mutex_) {
    LogStatistics result = catalog_.statistics();
    result.durable = durable();
    result.epoch = epoch_;
    result.epoch_first = epoch_first_;
    result.torn_bytes = static_cast<uint64_t>(torn_bytes_);
    result.syncs = writer_.syncs();
    const MutexLock lock(mutex_);
    result.groups = groups_;
    result.rewritten_groups = rewritten_groups_;
    return result;
  }

 private:
  // Leaves in `start` what is the writer's.
  GroupWriterStart enlist(LogStart start) {
    const auto path_of = [&](uint64_t first) {
      return options_.directory + '/' + segment_file_name(first);
    };
    for (const auto& [first, bytes] : start.older) catalog_.add(first, path_of(first), bytes);
    if (start.newest.file) {
      const uint64_t first = start.newest.header.first;
      catalog_.add(first, path_of(first), start.newest.end);
      catalog_.add_index(*catalog_.find(std::numeric_limits<uint64_t>::max()).segment, start.index);
    }
    for (const auto& [first, last] : start.damaged) catalog_.add_damaged(first, last);
    return std::move(start.newest);
  }

  // The writer thread.
  void run() {
    set_thread_name("log-" + options_.name);
    std::vector<std::string> payloads;
    while (wait_for_work(payloads)) {
      Status written = write(payloads);
      payloads.clear();
      if (written && (sync_due() || take_sync_request())) written = writer_.sync();
      if (written) note_synced();
      if (!written) turn_read_only(std::move(written).error());
      if (idle() && writer_.vouch_due()) writer_.vouch();
    }
    Status ended = health();
    if (ended && writer_.unsynced()) ended = writer_.sync();
    if (ended && !writer_.spoilt())
      ended = write_mark(files_, options_.directory,
                         {.clean = true,
                          .always = options_.durability == Durability::Always,
                          .epoch = epoch_,
                          .next = writer_.next(),
                          .segment = writer_.segment(),
                          .end = writer_.end(),
                          .epoch_first = epoch_first_});
    // Without the mark the next start recovers as after a crash, and loses nothing.
    if (!ended && health()) turn_read_only(std::move(ended).error());
  }

  bool take_sync_request() WM_EXCLUDES(mutex_) {
    if (options_.durability == Durability::Always) return false;
    const MutexLock lock(mutex_);
    return std::exchange(sync_asked_, false);
  }

  void note_synced() WM_EXCLUDES(mutex_) {
    if (options_.durability == Durability::Always || writer_.unsynced()) return;
    {
      const MutexLock lock(mutex_);
      synced_ = writer_.next() - 1;
    }
    published_.notify_all();
  }

  // Takes everything queued; nothing where only a sync is wanted. False: it is over.
  bool wait_for_work(std::vector<std::string>& payloads) WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (queue_.empty()) {
      if (stopping_) return false;
      if (sync_asked_ && health_) return true;
      writer_waits_ = true;
      if (!health_ || options_.durability != Durability::Interval || !writer_.unsynced())
        work_.wait(mutex_);
      else if (!work_.wait_for(mutex_, next_sync_ - Clock::now()) || sync_due())
        return true;
    }
    payloads.swap(queue_);
    return true;
  }

  bool idle() const WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return health_ && queue_.empty() && !stopping_;
  }

  bool sync_due() const {
    return options_.durability == Durability::Interval && writer_.unsynced() &&
           Clock::now() >= next_sync_;
  }

  Status write(std::span<const std::string> payloads) {
    if (mutant("acknowledge_before_write"))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    while (!payloads.empty()) {
      size_t count = 0;
      int64_t bytes = kGroupHeaderBytes;
      while (count < payloads.size()) {
        const int64_t more = record_bytes(payloads[count].size());
        if (count > 0 && bytes + more > group_bytes_max_) break;
        bytes += more;
        ++count;
      }
      WM_TRY(write_group(payloads.first(count)));
      payloads = payloads.subspan(count);
    }
    return {};
  }

  // A failed group is written once more, to a new segment; one for which there is no space, until
  // there is. What was shown before it was synced cannot be written again: nobody has it any more.
  Status write_group(std::span<const std::string> payloads) {
    bool again = false, spoilt = false;
    for (;;) {
      Status written = try_group(payloads, spoilt);
      if (written) return {};
      spoilt |= writer_.spoilt();
      const Error& error = written.error();
      if (writer_.lost()) return written;
      if (error.code == ErrorCode::NoSpace) {
        if (!wait_for_space(error)) return written;
        continue;
      }
      if (std::exchange(again, true)) return written;
      log_warning(
          "the group of {} records from sequence {} goes to a new segment of the log in {}: {}",
          payloads.size(), writer_.next(), options_.directory, error.message);
    }
  }

  Status try_group(std::span<const std::string> payloads, bool rewritten) {
    const bool sync_before = options_.durability == Durability::Always;
    WM_TRY(writer_.put(payloads));
    if (sync_before && !mutant("publish_before_sync")) WM_TRY(writer_.sync());
    if (!writer_.unsynced())
      next_sync_ = Clock::now() + std::chrono::milliseconds(options_.sync_interval_ms);
    publish(writer_.keep(), group_bytes(payloads) - kGroupHeaderBytes, rewritten);
    if (sync_before && mutant("publish_before_sync")) WM_TRY(writer_.sync());
    return {};
  }

  void publish(IndexEntry group, int64_t payload_bytes, bool rewritten) WM_EXCLUDES(mutex_) {
    const uint64_t durable = writer_.next() - 1;
    catalog_.publish(group, durable, writer_.end());
    bool had_no_space = false;
    {
      const MutexLock lock(mutex_);
      queued_bytes_ -= payload_bytes;
      ++groups_;
      rewritten_groups_ += rewritten ? 1 : 0;
      had_no_space = !health_;
      health_ = {};
    }
    if (had_no_space) log_info("there is space again for the log in {}", options_.directory);
    published_.notify_all();
    tell(durable);
  }

  void tell(uint64_t durable) WM_EXCLUDES(listener_mutex_) {
    const MutexLock lock(listener_mutex_);
    if (listener_) listener_(durable);
  }

  // Waits before the next try. False: the log is being closed, and what waits is given up.
  bool wait_for_space(const Error& error) WM_EXCLUDES(mutex_) {
    const auto until = Clock::now() + kSpaceRetryAfter;
    const MutexLock lock(mutex_);
    if (health_) {
      log_warning("nothing is written to the log in {} until there is space: {}",
                  options_.directory, error.message);
      health_ = tl::unexpected(error);
      published_.notify_all();
    }
    while (!stopping_ && Clock::now() < until) work_.wait_for(mutex_, until - Clock::now());
    return !stopping_;
  }

  void turn_read_only(Error error) WM_EXCLUDES(mutex_) {
    error.code = ErrorCode::Io;
    error.message = fmt::format("the log in {} is read-only since a write failed: {}",
                                options_.directory, error.message);
    log_error("{}", error.message);
    {
      const MutexLock lock(mutex_);
      health_ = tl::unexpected(std::move(error));
      queue_.clear();
    }
    published_.notify_all();
    tell(durable());
  }

  // Constant after construction.
  const LogOptions options_;
  FileSystem& files_;
  const uint64_t epoch_;
  const uint64_t epoch_first_;
  const int64_t torn_bytes_;
  const int64_t group_bytes_max_;
  const std::unique_ptr<FileLock> lock_;

  // These guard themselves.
  mutable Catalog catalog_;
  RecentGroups recent_{kRecentBytesMax};

  mutable Mutex mutex_;
  Condition work_;       // for the writer: something is queued, or it is to stop
  Condition published_;  // for flush and sync: durable(), synced_ or health_ changed
  std::vector<std::string> queue_ WM_GUARDED_BY(mutex_);
  int64_t queued_bytes_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t next_ WM_GUARDED_BY(mutex_);
  uint64_t synced_ WM_GUARDED_BY(mutex_);  // where durable does not say it
  bool sync_asked_ WM_GUARDED_BY(mutex_) = false;
  Status health_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  bool writer_waits_ WM_GUARDED_BY(mutex_) = false;  // for work
  uint64_t groups_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t rewritten_groups_ WM_GUARDED_BY(mutex_) = 0;

  Mutex listener_mutex_;
  std::function<void(uint64_t)> listener_ WM_GUARDED_BY(listener_mutex_);

  Mutex remove_mutex_;
  std::deque<std::string> removable_ WM_GUARDED_BY(remove_mutex_);  // paths out of the catalog

  // Owned by the writer thread.
  GroupWriter writer_;
  Clock::time_point next_sync_;

  std::thread thread_;
};

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  FileSystem& files = options.files == nullptr ? real_file_system() : *options.files;
  auto start = open_directory(files, options);
  if (!start) return tl::unexpected(start.error());
  auto impl = std::make_unique<Impl>(options, files, std::move(*start));
  WM_TRY(impl->start());
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<uint64_t> Log::append(std::string payload) { return impl_->append(std::move(payload)); }
uint64_t Log::durable() const { return impl_->durable(); }
uint64_t Log::next() const { return impl_->next(); }
void Log::on_durable(std::function<void(uint64_t)> listener) {
  impl_->on_durable(std::move(listener));
}
Status Log::flush() { return impl_->flush(); }
bool Log::flush_within(std::chrono::milliseconds at_most) { return impl_->flush_within(at_most); }
Status Log::sync() { return impl_->sync(); }
Status Log::health() const { return impl_->health(); }
std::unique_ptr<LogReader> Log::reader(uint64_t sequence, Caching caching) const {
  return std::unique_ptr<LogReader>(new LogReader(impl_->reader(sequence, caching)));
}
Status Log::remove_below(uint64_t sequence) { return impl_->remove_below(sequence); }
uint64_t Log::first_within(uint64_t bytes) const { return impl_->first_within(bytes); }
const std::string& Log::directory() const { return impl_->directory(); }
LogStatistics Log::statistics() const { return impl_->statistics(); }

}  // namespace wiremill
