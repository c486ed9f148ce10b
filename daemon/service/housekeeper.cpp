// Both logs are bounded from below by what a restart would need. Results are needed above the state's
// checkpoint, because their recorded changes rebuild it. An intake record is needed until its result
// has passed that checkpoint too, and until the ledger on disk knows it. Above these, results stay as
// long as the configuration says; intake records go.
#include "daemon/service/housekeeper.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/base/logging.hpp"
#include "daemon/base/units.hpp"

namespace wiremill {
namespace {

constexpr std::chrono::seconds kPeriod{1};
constexpr int kRetentionPeriods = 10;

// For people: "1.4 GiB".
std::string about(int64_t bytes) {
  if (bytes >= 1 << 30) return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

bool is_short_of_space(bool was_short, int64_t free_bytes, int64_t minimum) {
  return free_bytes < (was_short ? minimum + minimum / 10 : minimum);
}

Result<std::unique_ptr<Housekeeper>> Housekeeper::open(const HousekeeperOptions& options,
                                                       Log& intake_log, Log& results,
                                                       HousekeeperPorts ports) {
  auto retention = Retention::open(options.results, results, options.state_dir + "/result");
  if (!retention) return tl::unexpected(std::move(retention).error());
  return std::unique_ptr<Housekeeper>(
      new Housekeeper(options, intake_log, results, std::move(ports), std::move(*retention)));
}

Housekeeper::Housekeeper(const HousekeeperOptions& options, Log& intake_log, Log& results,
                         HousekeeperPorts ports, std::unique_ptr<Retention> retention)
    : options_(options),
      intake_log_(intake_log),
      results_(results),
      ports_(std::move(ports)),
      retention_(std::move(retention)) {
  if (options_.scrub_bytes_per_second > 0) {
    const int64_t each = std::max<int64_t>(1, options_.scrub_bytes_per_second / 2);
    intake_scrub_ = std::make_unique<Scrub>(intake_log_, each);
    results_scrub_ = std::make_unique<Scrub>(results_, each);
  }
  watch_space();
  thread_ = std::thread([this] {
    set_thread_name("housekeeping");
    run();
  });
}

Housekeeper::~Housekeeper() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    condition_.notify_one();
  }
  thread_.join();
}

Housekeeper::Report Housekeeper::report() const {
  Report report;
  {
    const MutexLock lock(mutex_);
    report = report_;
  }
  if (intake_scrub_) report.intake_scrubbed = intake_scrub_->progress();
  if (results_scrub_) report.results_scrubbed = results_scrub_->progress();
  return report;
}

void Housekeeper::run() {
  for (int period = 1;; ++period) {
    {
      const MutexLock lock(mutex_);
      const auto due = std::chrono::steady_clock::now() + kPeriod;
      while (!stopping_ && std::chrono::steady_clock::now() < due)
        condition_.wait_for(mutex_, due - std::chrono::steady_clock::now());
      if (stopping_) return;
    }
    watch_space();
    if (period % kRetentionPeriods == 0) remove_old();
  }
}

void Housekeeper::watch_space() {
  struct statvfs disk {};
  if (statvfs(options_.state_dir.c_str(), &disk) != 0) {
    log_error("free space of {} cannot be read: {}", options_.state_dir, std::strerror(errno));
    return;
  }
  const auto block = static_cast<int64_t>(disk.f_frsize);
  const int64_t free_bytes = static_cast<int64_t>(disk.f_bavail) * block;
  const int64_t minimum = options_.free_bytes_min;
  std::string before, now;
  {
    const MutexLock lock(mutex_);
    before = report_.hold;
    if (is_short_of_space(!before.empty(), free_bytes, minimum))
      now = before.empty()
                ? fmt::format("less than {} free in {}", format_bytes(minimum), options_.state_dir)
                : before;
    report_.free_bytes = free_bytes;
    report_.disk_bytes = static_cast<int64_t>(disk.f_blocks) * block;
    report_.hold = now;
  }
  if (now == before) return;
  if (now.empty())
    log_info("{} free again: documents are taken", about(free_bytes));
  else
    log_warning("{} ({} free): documents are refused until there is a tenth more, results go on",
                now, about(free_bytes));
  ports_.hold(now);
}

void Housekeeper::remove_old() {
  const uint64_t checkpointed = ports_.checkpointed();
  std::string trouble;
  if (const auto kept = retention_->run(checkpointed + 1); !kept) trouble = kept.error().message;
  const uint64_t settled = std::min(checkpointed, ports_.intake_needed_above());
  if (const Status removed = intake_log_.remove_below(settled + 1); !removed)
    trouble = removed.error().message;
  std::string before;
  {
    const MutexLock lock(mutex_);
    before = std::exchange(report_.trouble, trouble);
  }
  if (!trouble.empty() && trouble != before)
    log_error("old log segments cannot be removed: {}", trouble);
}

}  // namespace wiremill
