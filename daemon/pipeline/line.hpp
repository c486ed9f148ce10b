// The line: the configured stages in their order, and the steps a batch takes through them. Built at
// start, for each reload and for `validate`; constant once it is bound to its state. Built and ended
// on one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/pipeline/stage_call.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill {

// A step of a batch. Steps between two ordered ones run in parallel with those of other batches.
struct Step {
  enum class Kind {
    RepairText,  // text from the body for documents that have none: where a stage or a condition
                 // reads text, and at the end where it is in the results
    Segment,     // sentences and tokens
    Process,
    Settle,  // ordered
  };
  Kind kind;
  size_t stage = 0;  // Process, Settle
};

// What a stage counted since it was made, and what the line counted of it.
struct StageCounts {
  std::string name;
  StageMetrics metrics{};                    // of its own
  std::optional<uint64_t> skipped_errors{};  // where it has on_error: skip
  std::optional<uint64_t> left_out{};        // by its condition, where it has one
};

// Every error of a configuration: those of the file, and what the plugins say about the stages that
// could be read.
ConfigErrors all_errors(ConfigFailure failure, const std::stop_token& stop = {});

class Line {
 public:
  // Loads the plugins, checks their options and their order, creates the stages. Collects every
  // error. A line that is only tried need not come to its end: when `stop` asks for it, what it
  // started outside ends, now and later.
  static tl::expected<std::unique_ptr<Line>, std::vector<ConfigError>> build(
      const std::vector<StageConfig>& stages, const std::vector<std::string>& plugin_directories,
      const StageLog& log, const std::stop_token& stop = {});

  const std::vector<LineStage>& stages() const { return stages_; }
  const std::vector<Step>& steps() const { return steps_; }
  // Names of the key spaces that the stages need, "stage/<name>".
  std::vector<std::string> spaces() const;
  std::vector<StageCounts> counts() const;  // any thread
  // Tells each settling stage its space. Before the first batch.
  void bind(const StateStore& state);
  // The calls of its stages, which are told when nobody waits for them any more.
  Calls& calls() { return calls_; }

 private:
  Line() = default;
  void plan();

  std::vector<std::unique_ptr<Stage>> owned_;
  std::vector<LineStage> stages_;
  Calls calls_;
  std::vector<Step> steps_;
};

}  // namespace wiremill
