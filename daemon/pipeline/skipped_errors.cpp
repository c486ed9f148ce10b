#include "daemon/pipeline/skipped_errors.hpp"

#include <utility>

namespace wiremill {
namespace {

constexpr std::chrono::minutes kQuiet{1};

}  // namespace

SkippedErrors::SkippedErrors(std::string stage, StageLog log)
    : stage_(std::move(stage)), log_(std::move(log)) {}

void SkippedErrors::note(uint64_t sequence, std::string_view code, std::string_view message) {
  uint64_t count;
  {
    const auto now = std::chrono::steady_clock::now();
    const MutexLock lock(mutex_);
    count = ++count_;
    if (!log_ || (logged_at_ && now - *logged_at_ < kQuiet)) return;
    logged_at_ = now;
  }
  log_(stage_, WM_LOG_WARNING,
       fmt::format("skipped for document {}: {}{}{}; {} since the start", sequence, code,
                   message.empty() ? "" : ": ", message, count));
}

uint64_t SkippedErrors::count() const {
  const MutexLock lock(mutex_);
  return count_;
}

}  // namespace wiremill
