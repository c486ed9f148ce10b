// One call of one stage for one batch: hands the documents over as views, gathers what the plugin
// says through the host's functions, and applies it document by document when the call has
// returned. A document whose verdict is not WM_OK keeps no half of its annotations.
//
// Stateless between calls; the caller keeps to the plugin's thread rules.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/pipeline/calls.hpp"
#include "daemon/pipeline/condition.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/pipeline/skipped_errors.hpp"
#include "daemon/plugin/plugin.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

// A stage with what the line knows about it.
struct LineStage {
  const Stage* stage = nullptr;
  std::optional<StageCondition> when;  // none: every document
  // How many it left out, since the start; null where there is none.
  std::shared_ptr<std::atomic<uint64_t>> left_out;
  std::shared_ptr<SkippedErrors> skipped_errors;  // null: a document that fails is DEAD
  Annotations wanted = 0;                         // requires or uses
  Annotations provided = 0;
  uint32_t attempts_max = 3;
  int64_t deadline_ms = 0;  // of each attempt, in a process of its own; 0: none
  int64_t timeout_ms = 0;   // of a document's attempts together; 0: none
  size_t space = 0;         // in the state store, where it settles
  Calls* calls = nullptr;   // the line's; never null in a call
};

// The longest that one document can be held up in a stage: attempts and their deadline, or the
// timeout, and a settle. Nothing: without bound, for a stage in the daemon cannot be interrupted.
std::optional<int64_t> hold_up_max_ms(const LineStage& stage);
// In all of them, one after the other.
std::optional<int64_t> hold_up_max_ms(std::span<const LineStage> stages);

// Calls process for those of `flights` that are in the line and for which the stage's condition
// holds; tries WM_RETRY and WM_FAILED again, document by document, up to attempts_max and within
// the stage's timeout. Sets what the flights have from the stage, and which of them it leaves out.
// Errors: Unavailable, where the stage is broken and shall stop the line, or the line's calls were
// stopped: the flights are of no further use.
Status call_process(const LineStage& stage, std::span<Flight> flights);

// Calls settle for those that process did not leave out, once: nothing is tried again. Changes go
// to `state` under the document's sequence and to Flight::changes. An error of the state store is
// not the documents' fault: it is answered, whatever the stage said of them; as is that of a broken
// stage.
Status call_settle(const LineStage& stage, std::span<Flight> flights, StateStore& state);

}  // namespace wiremill
