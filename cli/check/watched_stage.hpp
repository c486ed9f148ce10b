// A stage as a check sees it: an instance of the plugin in this process, between the plugin and the
// host's functions. It hands the plugin tables of other ABI minors, sees what it says before the host
// does, and can make the state store fail.
#pragma once

#include <wiremill/plugin.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill::check {

// Whose tables the plugin is handed.
enum class HostAge {
  Minor0,  // an older host: its tables end where 1.0's ended, and nothing is mapped behind them
  Minor1,
  Minor2,
  Today,
  Newer,  // tables that go on behind what this header knows
};

class WatchedStage final : public Stage {
 public:
  // Errors: Config, as Stage::create. `told_why` says whether the plugin said why it refused.
  static Result<std::unique_ptr<WatchedStage>> create(std::shared_ptr<const Plugin> plugin,
                                                      const wm_option_value* values,
                                                      size_t values_count, HostAge age,
                                                      bool* told_why = nullptr);
  ~WatchedStage() override;

  const wm_descriptor& descriptor() const override { return plugin_->descriptor(); }
  int32_t process(const wm_batch& batch) const override;
  int32_t settle(const wm_batch& batch) const override;
  // A call with no documents at all.
  int32_t call_empty(bool settle) const;

  // What the host refused of what the plugin said, a line each, at most a few.
  std::vector<std::string> refusals() const;
  // All that it set of any document, or tried to.
  Annotations annotations_set() const { return set_; }
  // Whether it called this document bad in the last call that had it.
  bool is_bad(uint64_t sequence) const;

  // Makes the nth call to the state from now on answer WM_ERROR_IO; 0: none does.
  void fail_state_call(uint64_t nth) const;
  uint64_t state_calls() const { return state_calls_; }
  // Whether the plugin gave up a document, or the whole batch, since fail_state_call.
  bool gave_up() const { return gave_up_; }

  // What the batches' flag of cancellation says, and how long a document may take.
  volatile uint32_t& cancelled() const { return cancelled_; }
  int64_t& deadline_us() const { return deadline_us_; }

 private:
  struct Call;
  struct Rows;
  class Tables;

  WatchedStage(std::shared_ptr<const Plugin> plugin, HostAge age);
  int32_t call(const wm_batch& batch, bool settle) const;
  void note_answer(const wm_batch* batch, uint32_t document, const char* function,
                   Annotations annotation, int32_t answer) const;
  bool state_fails() const;

  const std::shared_ptr<const Plugin> plugin_;
  const HostAge age_;
  const std::string directory_;
  wm_host host_{};
  std::unique_ptr<Tables> tables_;
  void* instance_ = nullptr;
  mutable volatile uint32_t cancelled_ = 0;
  mutable int64_t deadline_us_ = 0;
  mutable std::atomic<uint64_t> state_calls_{0}, failing_state_call_{0};
  mutable std::atomic<bool> gave_up_{false};
  mutable std::atomic<Annotations> set_{0};
  mutable Mutex mutex_;
  mutable std::vector<std::string> refusals_ WM_GUARDED_BY(mutex_);
  mutable std::set<uint64_t> bad_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill::check
