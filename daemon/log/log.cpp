// The log itself (daemon/log/log.hpp): opening, the queue, and the writer thread that turns what is
// queued into groups.
//
// Why a thread of its own and not the callers' own writes: while one fdatasync runs, everything
// that arrives gathers in the queue and shares the next one, so the slower the disk, the larger the
// groups. A caller pays a mutex and a move.
#include "daemon/log/log.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "daemon/base/mutant.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/mark.hpp"
#include "daemon/log/reader.hpp"
#include "daemon/log/recovery.hpp"
#include "daemon/log/segment.hpp"
#include "daemon/log/segment_maker.hpp"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kGroupBytesMax = 8 << 20;  // or one record
constexpr size_t kRecordBytesMax = 1 << 30;
constexpr int64_t kSegmentBytesMin = 8 << 10;

// What opening found out, for the writer to go on from.
struct LogStart {
  std::unique_ptr<FileLock> lock;
  std::vector<std::pair<uint64_t, int64_t>>
      older;                   // segments' first sequences and bytes, ascending
  std::unique_ptr<File> file;  // the newest segment; none yet where the maker has to make it
  SegmentHeader header;
  int64_t capacity = 0;
  int64_t end = kSegmentHeaderBytes;
  uint64_t next = 1;
  uint64_t epoch = 1;
  int64_t torn_bytes = 0;
  std::vector<std::pair<uint64_t, uint64_t>> damaged;
  std::vector<IndexEntry> index;
};

Status check(const LogOptions& options) {
  if (options.name.empty() || options.name.size() > kLogNameBytesMax)
    return fail(ErrorCode::Config, "a log's name has 1 to {} bytes, not \"{}\"", kLogNameBytesMax,
                options.name);
  if (options.segment_bytes < kSegmentBytesMin)
    return fail(ErrorCode::Config, "segments of {} bytes are too small for the log {}; at least {}",
                options.segment_bytes, options.directory, kSegmentBytesMin);
  return {};
}

// The first sequences of the segments there, ascending. Removes what was left half made.
Result<std::vector<uint64_t>> list_segments(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  std::vector<uint64_t> segments;
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_file_name(name))
      segments.push_back(*first);
    else if (name.ends_with(".tmp"))
      WM_TRY(files.remove(directory + '/' + name));
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

// Locks the directory and recovers the newest segment.
Result<LogStart> recover(FileSystem& files, const LogOptions& options) {
  const std::string& directory = options.directory;
  WM_TRY(files.make_directory(directory));
  const size_t slash = directory.find_last_of('/');
  WM_TRY(files.sync_directory(slash == std::string::npos ? "." : directory.substr(0, slash + 1)));

  LogStart start;
  auto lock = files.lock(directory + "/LOCK");
  if (!lock && lock.error().code == ErrorCode::Locked)
    return fail(ErrorCode::Locked, "the log in {} is held by another process", directory);
  if (!lock) return tl::unexpected(lock.error());
  start.lock = std::move(*lock);

  const auto mark = read_mark(files, directory);
  if (!mark) return tl::unexpected(mark.error());
  auto segments = list_segments(files, directory);
  if (!segments) return tl::unexpected(segments.error());
  if (mark->has_value()) {
    start.next = (*mark)->next;
    start.epoch = (*mark)->epoch;
  }

  const bool fresh = segments->empty();
  start.header = {.name = options.name, .first = start.next, .epoch = 0, .salt = random_salt()};
  if (!fresh) {
    const uint64_t newest = segments->back();
    auto recovered = recover_segment(files, directory + '/' + segment_file_name(newest),
                                     options.name, newest, *mark);
    if (!recovered) return tl::unexpected(recovered.error());
    segments->pop_back();
    start.next = std::max(start.next, newest);
    start.header.first = newest;
    if (recovered->has_value()) {
      RecoveredSegment& found = **recovered;
      start.file = std::move(found.file);
      start.header = std::move(found.header);
      start.capacity = found.capacity;
      start.end = found.end;
      start.next = found.next;
      start.epoch = std::max(start.epoch, found.epoch);
      start.torn_bytes = found.torn_bytes;
      start.damaged = std::move(found.damaged);
      start.index = std::move(found.index);
    }
    for (const uint64_t first : *segments) {
      const auto file = files.open(directory + '/' + segment_file_name(first), OpenMode::Read);
      if (!file) return tl::unexpected(file.error());
      const auto size = (*file)->size();
      if (!size) return tl::unexpected(size.error());
      start.older.emplace_back(first, *size);
    }
  }

  // What was shown as durable before the crash may be gone, and its sequences are given out anew.
  const bool acknowledged_before_sync = mark->has_value()
                                            ? !(*mark)->clean && !(*mark)->always
                                            : !fresh && options.durability != Durability::Always;
  if (acknowledged_before_sync) ++start.epoch;
  WM_TRY(write_mark(files, directory,
                    {.clean = false,
                     .always = options.durability == Durability::Always,
                     .epoch = start.epoch,
                     .next = start.next,
                     .segment = 0,
                     .end = 0}));
  return start;
}

}  // namespace

class Log::Impl {
 public:
  Impl(const LogOptions& options, FileSystem& files, LogStart start)
      : options_(options),
        files_(files),
        epoch_(start.epoch),
        torn_bytes_(start.torn_bytes),
        group_bytes_max_(std::min(kGroupBytesMax, options.segment_bytes - kSegmentHeaderBytes)),
        lock_(std::move(start.lock)),
        catalog_(start.next - 1),
        maker_(files, options.directory, options.segment_bytes),
        durable_(start.next - 1),
        next_(start.next),
        file_(std::move(start.file)),
        header_(std::move(start.header)),
        capacity_(start.capacity),
        end_(start.end),
        synced_(start.end) {
    for (const auto& [first, bytes] : start.older) catalog_.add(first, path_of(first), bytes);
    if (file_) enlist_segment(start.index);
    for (const auto& [first, last] : start.damaged)
      for (uint64_t sequence = first; sequence <= last; ++sequence) catalog_.add_damaged(sequence);
  }

  Status start() {
    if (!file_) WM_TRY(make_segment(kSegmentHeaderBytes));
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
    {
      const MutexLock lock(mutex_);
      WM_TRY(health_);
      if (queued_bytes_ > 0 && queued_bytes_ + bytes > options_.queue_bytes_max)
        return fail(ErrorCode::Busy, "{} bytes wait to be written to the log in {}", queued_bytes_,
                    options_.directory);
      queue_.push_back(std::move(payload));
      queued_bytes_ += bytes;
      sequence = next_++;
    }
    work_.notify_one();
    return sequence;
  }

  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }

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

  Status health() const WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return health_;
  }

  std::unique_ptr<LogReader::Impl> reader(uint64_t sequence) const {
    return std::make_unique<LogReader::Impl>(files_, catalog_, options_.name, sequence);
  }

  Status remove_below(uint64_t sequence) {
    const auto paths = catalog_.take_below(sequence);
    for (const std::string& path : paths) WM_TRY(files_.remove(path));
    if (paths.empty()) return {};
    return files_.sync_directory(options_.directory);
  }

  LogStatistics statistics() const WM_EXCLUDES(mutex_) {
    LogStatistics result;
    result.first = catalog_.first();
    result.bytes = catalog_.bytes();
    result.damaged_records = catalog_.damaged_records();
    result.durable = durable();
    result.epoch = epoch_;
    result.torn_bytes = static_cast<uint64_t>(torn_bytes_);
    const MutexLock lock(mutex_);
    result.groups = groups_;
    result.syncs = syncs_;
    return result;
  }

 private:
  std::string path_of(uint64_t first) const {
    return options_.directory + '/' + segment_file_name(first);
  }

  void enlist_segment(std::span<const IndexEntry> index) {
    catalog_.add(header_.first, path_of(header_.first), end_);
    catalog_.add_index(*catalog_.find(std::numeric_limits<uint64_t>::max()).segment, index);
  }

  // The writer thread.
  void run() {
    set_thread_name("log-" + options_.name);
    std::vector<std::string> payloads;
    while (wait_for_work(payloads)) {
      Status written = write(payloads);
      payloads.clear();
      if (written && sync_due()) written = sync();
      if (!written) turn_read_only(std::move(written).error());
    }
    Status ended = health();
    if (ended && synced_ < end_) ended = sync();
    if (ended)
      ended = write_mark(files_, options_.directory,
                         {.clean = true,
                          .always = options_.durability == Durability::Always,
                          .epoch = epoch_,
                          .next = write_next_,
                          .segment = header_.first,
                          .end = end_});
    // Without the mark the next start recovers as after a crash, and loses nothing.
    if (!ended && health()) turn_read_only(std::move(ended).error());
  }

  // Takes everything queued; nothing where only a sync is due. False: it is over.
  bool wait_for_work(std::vector<std::string>& payloads) WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (queue_.empty()) {
      if (stopping_) return false;
      if (!health_ || options_.durability != Durability::Interval || synced_ == end_)
        work_.wait(mutex_);
      else if (!work_.wait_for(mutex_, next_sync_ - Clock::now()) || sync_due())
        return true;
    }
    payloads.swap(queue_);
    return true;
  }

  bool sync_due() const {
    return options_.durability == Durability::Interval && synced_ < end_ &&
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
      WM_TRY(write_group(payloads.first(count), bytes));
      payloads = payloads.subspan(count);
    }
    return {};
  }

  // Nothing of the group is published before all of it has gone well, so a group that failed may be
  // written again elsewhere.
  Status write_group(std::span<const std::string> payloads, int64_t bytes) {
    if (end_ + bytes > capacity_) WM_TRY(roll(kSegmentHeaderBytes + bytes));
    encode_group({.salt = header_.salt,
                  .offset = end_,
                  .synced_before = synced_,
                  .epoch = epoch_,
                  .first = write_next_,
                  .bytes = bytes,
                  .count = static_cast<uint32_t>(payloads.size())},
                 payloads, group_);
    WM_TRY(file_->write_at(end_, group_));
    const IndexEntry place{.sequence = write_next_, .offset = end_};
    if (synced_ == end_)
      next_sync_ = Clock::now() + std::chrono::milliseconds(options_.sync_interval_ms);
    end_ += bytes;
    write_next_ += payloads.size();
    if (options_.durability == Durability::Always) WM_TRY(sync());
    publish(place, bytes - kGroupHeaderBytes);
    if (end_ > capacity_ / 2) maker_.prepare();
    if (group_.capacity() > static_cast<size_t>(2 * kGroupBytesMax)) std::string().swap(group_);
    return {};
  }

  Status sync() WM_EXCLUDES(mutex_) {
    WM_TRY(file_->sync());
    synced_ = end_;
    const MutexLock lock(mutex_);
    ++syncs_;
    return {};
  }

  void publish(IndexEntry group, int64_t payload_bytes) WM_EXCLUDES(mutex_) {
    const uint64_t durable = write_next_ - 1;
    catalog_.publish(group, durable, end_);
    {
      const MutexLock lock(mutex_);
      durable_.store(durable, std::memory_order_release);
      queued_bytes_ -= payload_bytes;
      ++groups_;
    }
    published_.notify_all();
    tell(durable);
  }

  void tell(uint64_t durable) WM_EXCLUDES(listener_mutex_) {
    const MutexLock lock(listener_mutex_);
    if (listener_) listener_(durable);
  }

  // Goes over to a new segment. The old one is synced whole and ends with its last group.
  Status roll(int64_t bytes) {
    if (synced_ < end_) WM_TRY(sync());
    const std::unique_ptr<File> old = std::move(file_);
    const int64_t old_end = end_;
    const bool replaced = header_.first == write_next_;
    header_ = {.name = options_.name, .first = write_next_, .epoch = epoch_, .salt = random_salt()};
    WM_TRY(make_segment(bytes));
    if (!replaced) WM_TRY(old->truncate(old_end));
    return {};
  }

  Status make_segment(int64_t bytes) {
    header_.epoch = epoch_;
    auto file = maker_.make(header_, bytes);
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
    capacity_ = std::max(bytes, options_.segment_bytes);
    end_ = kSegmentHeaderBytes;
    synced_ = end_;
    enlist_segment({});
    return {};
  }

  // A write or a sync failed. What the kernel makes of the pages is unknown from here on: a second
  // sync that passes would prove nothing, so there is none.
  void turn_read_only(Error error) WM_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      error.message = fmt::format("the log in {} is read-only since a write failed: {}",
                                  options_.directory, error.message);
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
  const int64_t torn_bytes_;
  const int64_t group_bytes_max_;
  const std::unique_ptr<FileLock> lock_;

  // These guard themselves.
  mutable Catalog catalog_;
  SegmentMaker maker_;
  std::atomic<uint64_t> durable_;  // changes under mutex_

  mutable Mutex mutex_;
  Condition work_;       // for the writer: something is queued, or it is to stop
  Condition published_;  // for flush: durable_ or health_ changed
  std::vector<std::string> queue_ WM_GUARDED_BY(mutex_);
  int64_t queued_bytes_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t next_ WM_GUARDED_BY(mutex_);
  Status health_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  uint64_t groups_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t syncs_ WM_GUARDED_BY(mutex_) = 0;

  Mutex listener_mutex_;
  std::function<void(uint64_t)> listener_ WM_GUARDED_BY(listener_mutex_);

  // Owned by the writer thread.
  std::unique_ptr<File> file_;
  SegmentHeader header_;
  int64_t capacity_;  // of file_
  int64_t end_;       // of the last group
  int64_t synced_;    // as far as file_ was synced
  uint64_t write_next_ = durable_ + 1;
  Clock::time_point next_sync_;
  std::string group_;  // the bytes of the one being written

  std::thread thread_;
};

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  WM_TRY(check(options));
  FileSystem& files = options.files == nullptr ? real_file_system() : *options.files;
  auto start = recover(files, options);
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
Status Log::health() const { return impl_->health(); }
std::unique_ptr<LogReader> Log::reader(uint64_t sequence) const {
  return std::unique_ptr<LogReader>(new LogReader(impl_->reader(sequence)));
}
Status Log::remove_below(uint64_t sequence) { return impl_->remove_below(sequence); }
LogStatistics Log::statistics() const { return impl_->statistics(); }

}  // namespace wiremill
