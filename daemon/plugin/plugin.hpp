// A loaded plugin and the stages made from it. The pipeline calls stages; nothing else does.
//
// A Plugin is loaded once and never unloaded: code that has run in this process may have left threads
// and handlers behind. A file that was replaced is a Plugin of its own beside the one before.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/plugin/stage_metrics.hpp"

namespace wiremill {

class Plugin {
 public:
  // `name_or_path`: with a slash it is a file, else NAME.so is looked for in `directories` in
  // order. The file's note (plugin_note.hpp) is checked before the file is mapped; magic, ABI and
  // descriptor, also against the note, before `init` runs. A file that is loaded already and has not
  // changed (device, inode, size, time) answers the same Plugin; replace a file by renaming another
  // over it, never by writing into it. One thread at a time.
  // Errors: Config, naming the file and what is wrong with it; Io.
  static Result<std::shared_ptr<const Plugin>> load(const std::string& name_or_path,
                                                    const std::vector<std::string>& directories);

  const wm_descriptor& descriptor() const { return *descriptor_; }
  const std::string& path() const { return path_; }

 private:
  Plugin() = default;
  std::string path_;
  const wm_descriptor* descriptor_ = nullptr;
};

// The file that `name_or_path` means, as Plugin::load looks for it. Errors: Config.
Result<std::string> find_plugin(const std::string& name_or_path,
                                const std::vector<std::string>& directories);

// Where plugins are looked for by name: the configured folder, where there is one, then that of the
// program's own, ../lib/wiremill/plugins beside the running executable.
std::vector<std::string> plugin_directories(const std::string& configured);

// Called for each line that a stage logs. Any thread.
using StageLog =
    std::function<void(std::string_view stage, uint32_t level, std::string_view message)>;

// What a stage that is broken for good answers where it shall stop the line. Never a plugin's word.
inline constexpr int32_t kStageBroken = INT32_MIN;
inline int32_t plugin_code(int32_t code) { return code == kStageBroken ? INT32_MAX : code; }

// One configured step: an instance of a plugin with its options, wherever it lives.
class Stage {
 public:
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // An instance inside this process. `values` need live only during the call. Errors: Config, with
  // the plugin's own words.
  static Result<std::unique_ptr<Stage>> create(std::string name,
                                               std::shared_ptr<const Plugin> plugin,
                                               const wm_option_value* values, size_t values_count,
                                               StageLog log);

  const std::string& name() const { return name_; }
  // Its functions are not to be called from here.
  virtual const wm_descriptor& descriptor() const = 0;
  bool settles() const { return descriptor().settle != nullptr; }

  // Any thread, also at once. Non-zero: the plugin gave up the whole batch; or kStageBroken.
  virtual int32_t process(const wm_batch& batch) const = 0;
  // One call at a time, documents ascending.
  virtual int32_t settle(const wm_batch& batch) const = 0;

  // How many calls wait at this moment for processes of the stage's own. Each of them ends by the
  // stage's limits. Any thread.
  virtual uint32_t calls_outside() const { return 0; }
  // Why it is broken, where it answers kStageBroken. Any thread.
  virtual std::string trouble() const { return {}; }

  // Documents that became of no use to anybody because its process ended at them, or could not be had.
  // The host counts them: nothing that a stage says of a document does. Any thread.
  struct Losses {
    uint64_t documents = 0;
    std::string first{};  // what was said of the first one: "CRASHED: the stage's process …"
  };
  virtual Losses losses() const { return {}; }

  // Any thread.
  StageMetrics metrics() const;

 protected:
  Stage(std::string name, StageLog log) : name_(std::move(name)), log_(std::move(log)) {}
  // Any thread.
  void log(uint32_t level, std::string_view message) const;
  void count(std::string_view name, uint64_t add) const;
  void gauge(std::string_view name, double value) const;
  void observe(std::string_view name, double value) const;
  void observe(std::string_view name, const Histogram& values) const;

 private:
  const std::string name_;
  const StageLog log_;
  mutable Mutex mutex_;
  mutable StageMetrics metrics_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill
