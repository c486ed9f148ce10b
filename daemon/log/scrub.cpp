// The slow second reading of a log: daemon/log/scrub.hpp. The newest segment is left out: it was
// written a moment ago, and is read when the log is next opened.
#include "daemon/log/scrub.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sched.h>
#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "daemon/base/logging.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRoundEvery = std::chrono::hours(24);
constexpr size_t kStepRecordsMax = 256;
constexpr size_t kStepBytes = 256 << 10;
constexpr uint64_t kLinesMax = 10;  // about single records, in a round

// The processor and the disk serve everybody else first. What the kernel refuses is no harm.
void take_lowest_priority() {
  const sched_param none{};
  (void)::sched_setscheduler(0, SCHED_IDLE, &none);
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
  constexpr int kWhoProcess = 1, kClassIdle = 3 << 13;  // linux/ioprio.h
  (void)::syscall(SYS_ioprio_set, kWhoProcess, 0, kClassIdle);
}

}  // namespace

class Scrub::Impl {
 public:
  Impl(const Log& log, int64_t bytes_per_second)
      : log_(log), bytes_per_second_(bytes_per_second), thread_([this] { run(); }) {}

  ~Impl() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  Progress progress() const WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return progress_;
  }

 private:
  void run() {
    set_thread_name("scrub");
    take_lowest_priority();
    for (;;) {
      const auto next_round = Clock::now() + kRoundEvery;
      if (!round() || !sleep_until(next_round)) return;
    }
  }

  // False: it is over.
  bool round() {
    const auto reader = log_.reader(1, Caching::Leave);
    std::vector<LogRecord> records;
    uint64_t read = 0, damaged = 0;
    auto next = Clock::now();
    while (reader->position() < log_.statistics().newest_segment) {
      records.clear();
      const uint64_t left = log_.statistics().newest_segment - reader->position();
      if (const Status done =
              reader->read(std::min<size_t>(left, kStepRecordsMax), kStepBytes, records);
          !done) {
        log_error("scrub of the log in {} ends at sequence {}: {}", log_.directory(),
                  reader->position(), done.error().message);
        break;
      }
      int64_t bytes = 0;
      for (const LogRecord& record : records) {
        bytes += record_bytes(record.payload.size());
        if (record.damaged && damaged++ < kLinesMax)
          log_error("scrub found record {} of the log in {} damaged", record.sequence,
                    log_.directory());
      }
      read += records.size();
      add({.rounds = 0, .records = records.size(), .bytes = static_cast<uint64_t>(bytes)});
      // What was late is not caught up with.
      next = std::max(next, Clock::now()) +
             std::chrono::nanoseconds(std::chrono::seconds(1)) * bytes / bytes_per_second_;
      if (!sleep_until(next)) return false;
    }
    add({.rounds = 1, .records = 0, .bytes = 0});
    if (damaged > 0)
      log_error("scrub of the log in {} read {} records: {} are damaged", log_.directory(), read,
                damaged);
    return true;
  }

  void add(const Progress& more) WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    progress_.rounds += more.rounds;
    progress_.records += more.records;
    progress_.bytes += more.bytes;
  }

  // False: it is over.
  bool sleep_until(Clock::time_point until) WM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!stopping_ && Clock::now() < until) changed_.wait_for(mutex_, until - Clock::now());
    return !stopping_;
  }

  const Log& log_;
  const int64_t bytes_per_second_;

  mutable Mutex mutex_;
  Condition changed_;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  Progress progress_ WM_GUARDED_BY(mutex_);

  std::thread thread_;
};

Scrub::Scrub(const Log& log, int64_t bytes_per_second)
    : impl_(std::make_unique<Impl>(log, bytes_per_second)) {}
Scrub::~Scrub() = default;

Scrub::Progress Scrub::progress() const { return impl_->progress(); }

}  // namespace wiremill
