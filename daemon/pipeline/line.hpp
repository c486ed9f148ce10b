// The line: the configured stages in their order, and the steps a batch takes through them. Built
// once at start (and for `validate`), constant afterwards.
#pragma once

#include <memory>
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

// Every error of a configuration: those of the file, and what the plugins say about the stages that
// could be read. [main thread]
ConfigErrors all_errors(ConfigFailure failure);

class Line {
 public:
  // Loads the plugins, checks their options and their order, creates the stages. Collects every
  // error. [main thread]
  static tl::expected<std::unique_ptr<Line>, std::vector<ConfigError>> build(
      const std::vector<StageConfig>& stages, const std::vector<std::string>& plugin_directories,
      const StageLog& log);

  const std::vector<LineStage>& stages() const { return stages_; }
  const std::vector<Step>& steps() const { return steps_; }
  // Names of the key spaces that the stages need, "stage/<name>".
  std::vector<std::string> spaces() const;
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
