// A process that runs one stage and is ready for calls, whatever the daemon speaks with it: a plugin
// in wiremill-stagehost (plugin_child.hpp), or a program of the user's (program_child.hpp). It ends
// with this object. One thread at a time.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "daemon/base/error.hpp"
#include "wiremill/v1/stage.pb.h"

namespace wiremill {

// How a call ended where the process did not come back from it.
struct Death {
  std::optional<uint32_t> document;  // the guilty one, as index in the call
  std::string code, message;
};
using CallEnd = tl::expected<int32_t, Death>;  // what the plugin's function returned

class Child {
 public:
  virtual ~Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // As it said after its start.
  const v1::StageDescriptor& descriptor() const { return descriptor_; }
  // Makes the instance; before the first call. Errors: Config, in its own words; Unavailable.
  virtual Status start(const v1::StageStart& start) = 0;

  enum class What { Process, Settle };
  // Takes a line for the log, or a metric. False: it is neither.
  using OwnEvent = std::function<bool(const v1::StageEvent&)>;
  // One call for the documents of these indices in `batch`; what the stage says is said to the
  // batch's own functions. After a Death the object is of no further use.
  virtual CallEnd call(What what, const wm_batch& batch, std::span<const uint32_t> documents,
                       const OwnEvent& own_event) = 0;
  // Why and with which last words it has ended, where it has: between calls that is no document's doing.
  virtual std::optional<std::string> ended() = 0;
  // Keeps what it wrote to standard error bounded. Between calls.
  virtual void trim_words() = 0;

 protected:
  Child() = default;
  v1::StageDescriptor descriptor_;
};

inline constexpr int64_t kStartTimeoutNs = 60'000'000'000;  // a stage may read large models

}  // namespace wiremill
