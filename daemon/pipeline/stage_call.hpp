// One call of one stage for one batch: hands the documents over as views, gathers what the plugin
// says through the host's functions, and applies it document by document when the call has
// returned. A document whose verdict is not WM_OK keeps no half of its annotations.
//
// Stateless between calls; the caller keeps to the plugin's thread rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/pipeline/condition.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/pipeline/skipped_errors.hpp"
#include "daemon/plugin/plugin.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

// A stage with what the line knows about it.
struct LineStage {
  const Stage* stage = nullptr;
  std::optional<StageCondition> when;             // none: every document
  std::shared_ptr<SkippedErrors> skipped_errors;  // null: a document that fails is DEAD
  Annotations wanted = 0;                         // requires or uses
  Annotations provided = 0;
  uint32_t attempts_max = 3;
  size_t space = 0;  // in the state store, where it settles
};

// Calls process for those of `flights` that are in the line and for which the stage's condition
// holds; tries WM_RETRY and WM_FAILED again, document by document, up to attempts_max. Sets what the
// flights have from the stage, and which of them it leaves out.
void call_process(const LineStage& stage, std::span<Flight> flights);

// Calls settle for those that process did not leave out, once: nothing is tried again. Changes go to `state` under the document's
// sequence and to Flight::changes. An error of the state store is not the documents' fault: it is
// answered, whatever the stage said of them.
Status call_settle(const LineStage& stage, std::span<Flight> flights, StateStore& state);

}  // namespace wiremill
