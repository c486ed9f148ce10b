// A batch of flights on its way through the line, and what a worker does to it in one step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/pipeline/batch_size.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/pipeline/topics.hpp"
#include "daemon/pipeline/totals.hpp"

namespace wiremill {

struct LineRun;

struct Batch {
  LineRun* run = nullptr;  // of the line that it was read for, which lasts until its emission
  uint64_t index = 0;      // in the order of reading
  size_t position = 0;     // the next step
  int64_t bytes = 0;         // of its records in the intake log
  int64_t result_bytes = 0;  // of results and changes of state: so far, exact after finish()
  bool alone = false;  // no other batch is in the line while it is
  BatchSize::Duration settling{};  // all settles so far
  std::vector<Flight> flights;
  std::vector<std::string> results;  // serialised, made by finish()
};

// Runs the step that the batch stands before. `segmenter` belongs to the calling thread. `timings`:
// notes in the results how long stages took. Errors: of the state store; the batch is not to be used
// any more.
Status run_step(const Line& line, Batch& batch, StateStore& state, text::Segmenter& segmenter,
                bool timings);

// No result is larger: with the changes of state of as many stages as there may be, its record still
// goes into the log.
inline constexpr size_t kResultBytesMax = 448 << 20;

// Completes the results and serialises them: all that emission need not do in order. A document whose
// result is too large is DEAD.
void finish(Batch& batch);

// The record of flight `index` of a finished batch, as the result log keeps it. In sequence order.
// `totals` include this flight.
std::string make_record(Batch& batch, size_t index, const StateStore& state, Topics& topics,
                        const Totals& totals);

}  // namespace wiremill
