// The errors of one stage with `on_error: skip`: counted, and one a minute is logged. Made with the
// line; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/thread.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill {

class SkippedErrors {
 public:
  SkippedErrors(std::string stage, StageLog log);

  // A document goes on without the stage, which said this of it.
  void note(uint64_t sequence, std::string_view code, std::string_view message);
  uint64_t count() const;

 private:
  // Constant after construction.
  const std::string stage_;
  const StageLog log_;

  mutable Mutex mutex_;
  uint64_t count_ WM_GUARDED_BY(mutex_) = 0;
  std::optional<std::chrono::steady_clock::time_point> logged_at_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill
