// See stage_call.hpp: what the verdicts of a call mean for the documents.
#include "daemon/pipeline/stage_call.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/watch.hpp"
#include "daemon/pipeline/call.hpp"

namespace wiremill {
namespace {

std::vector<Flight*> still_in_line(std::span<Flight> flights) {
  std::vector<Flight*> list;
  for (Flight& flight : flights)
    if (flight.in_line()) list.push_back(&flight);
  return list;
}

// Those that are in the line and that the stage does not leave out.
std::vector<Flight*> not_left_out(std::span<Flight> flights) {
  std::vector<Flight*> list = still_in_line(flights);
  std::erase_if(list, [](const Flight* flight) { return flight->left_out; });
  return list;
}

// Before process: whom the stage's condition leaves out, and what an error in settle goes back to.
void prepare(const LineStage& stage, std::span<Flight> flights) {
  for (Flight* flight : still_in_line(flights)) {
    flight->left_out = stage.when && !stage.when->holds(*flight);
    if (flight->left_out) ++*stage.left_out;
    if (!flight->left_out && stage.skipped_errors != nullptr && stage.stage->settles())
      flight->before =
          std::make_unique<FlightBefore>(FlightBefore{flight->result, flight->provided});
  }
}

// Ends the flight, or lets it go on without the stage.
void leave(Flight& flight, const LineStage& stage, const Answer& answer, uint32_t attempts) {
  const bool dropped = answer.verdict == WM_DROP;
  std::string_view code = answer.code;
  if (code.empty())
    code = dropped ? "DROPPED" : answer.verdict == WM_BAD_DOCUMENT ? "BAD_DOCUMENT" : "FAILED";
  if (!dropped && stage.skipped_errors != nullptr) {
    stage.skipped_errors->note(flight.sequence(), code, answer.message);
    flight.left_out = true;
    return;
  }
  flight.leave(dropped ? v1::Result::DROPPED : v1::Result::DEAD, stage.stage->name(), code,
               answer.message, attempts);
}

// What the verdict of process means for one document. False: to be tried again.
bool finish_process(const LineStage& stage, Call& call, size_t index, Flight& flight,
                    uint32_t attempt) {
  const Answer& answer = call.answer(index);
  const bool may_try_again = answer.verdict == WM_RETRY || answer.verdict == WM_FAILED;
  if (may_try_again && attempt < stage.attempts_max) return false;
  if (answer.verdict == WM_OK) call.apply(index);
  if (answer.verdict > WM_SKIP) leave(flight, stage, answer, attempt);
  return true;
}

void finish_settle(const LineStage& stage, Call& call, size_t index, Flight& flight) {
  const Answer& answer = call.answer(index);
  if (answer.verdict <= WM_DROP) call.keep_changes(index);
  if (answer.verdict == WM_OK) call.apply(index);
  if (answer.verdict > WM_SKIP) leave(flight, stage, answer, 1);
  if (flight.left_out) {
    flight.before->result.mutable_timings()->Swap(flight.result.mutable_timings());
    flight.result.Swap(&flight.before->result);
    flight.provided = flight.before->provided;
  }
  flight.before.reset();
  flight.carry.clear();
}

void time_out(const LineStage& stage, Flight& flight, uint32_t attempts) {
  Answer answer;
  answer.verdict = WM_BAD_DOCUMENT;
  answer.code = "TIMEOUT";
  answer.message = fmt::format("was in the stage for more than {} ms", stage.timeout_ms);
  leave(flight, stage, answer, attempts);
}

// From its `attempt` on, alone; `left_ns` of its timeout are left.
Status process_alone(const LineStage& stage, Flight& flight, uint32_t attempt, int64_t left_ns) {
  for (;; ++attempt) {
    Call alone(stage, {&flight}, nullptr, left_ns);
    alone.run();
    WM_TRY(alone.status());
    if (alone.scope().is_cancelled()) {
      time_out(stage, flight, attempt);
      return {};
    }
    if (finish_process(stage, alone, 0, flight, attempt)) return {};
    if (stage.timeout_ms == 0) continue;
    left_ns -= alone.scope().spent_ns(0);
    if (left_ns > 0) continue;
    time_out(stage, flight, attempt);
    return {};
  }
}

// A call whose time is over says nothing that counts, for the stage may have stopped anywhere: the
// guilty document goes, and the others are called again.
Status process(const LineStage& stage, std::vector<Flight*> list) {
  const int64_t timeout_ns = stage.timeout_ms * 1'000'000;
  while (!list.empty()) {
    Call batch(stage, list, nullptr, timeout_ns);
    batch.run();
    WM_TRY(batch.status());
    if (const auto guilty = batch.scope().guilty()) {
      time_out(stage, *list[*guilty], 1);
      list.erase(list.begin() + *guilty);
      continue;
    }
    for (size_t i = 0; i < list.size(); ++i) {
      if (batch.scope().is_cancelled()) {
        WM_TRY(process_alone(stage, *list[i], 1, timeout_ns));
        continue;
      }
      if (finish_process(stage, batch, i, *list[i], 1)) continue;
      const int64_t left_ns = timeout_ns - batch.scope().spent_ns(i);
      if (stage.timeout_ms > 0 && left_ns <= 0)
        time_out(stage, *list[i], 1);
      else
        WM_TRY(process_alone(stage, *list[i], 2, stage.timeout_ms > 0 ? left_ns : 0));
    }
    return {};
  }
  return {};
}

}  // namespace

std::optional<int64_t> hold_up_max_ms(const LineStage& stage) {
  const bool settles = stage.stage->settles();
  if (stage.deadline_ms == 0)
    return stage.timeout_ms > 0 && !settles ? std::optional(stage.timeout_ms) : std::nullopt;
  const int64_t attempts_ms = stage.deadline_ms * stage.attempts_max;
  const int64_t process_ms =
      stage.timeout_ms > 0 ? std::min(attempts_ms, stage.timeout_ms + kCancelGraceMs) : attempts_ms;
  return process_ms + (settles ? stage.deadline_ms : 0);
}

std::optional<int64_t> hold_up_max_ms(std::span<const LineStage> stages) {
  int64_t all_ms = 0;
  for (const LineStage& stage : stages) {
    const auto one_ms = hold_up_max_ms(stage);
    if (!one_ms) return std::nullopt;
    all_ms += *one_ms;
  }
  return all_ms;
}

Status call_process(const LineStage& stage, std::span<Flight> flights) {
  prepare(stage, flights);
  if (const std::vector<Flight*> list = not_left_out(flights); !list.empty())
    WM_TRY(process(stage, list));
  for (Flight& flight : flights) {
    if (flight.in_line() && !flight.left_out)
      flight.provided |= stage.provided;
    else
      flight.before.reset();
  }
  return {};
}

Status call_settle(const LineStage& stage, std::span<Flight> flights, StateStore& state) {
  const std::vector<Flight*> list = not_left_out(flights);
  if (list.empty()) return {};
  Call batch(stage, list, &state);
  const bool answered = batch.run();
  WM_TRY(batch.status());
  if (answered || list.size() == 1) {
    for (size_t i = 0; i < list.size(); ++i) finish_settle(stage, batch, i, *list[i]);
    return {};
  }
  // The stage gave up the batch as a whole: find out for which document.
  for (Flight* flight : list) {
    Call alone(stage, {flight}, &state);
    alone.run();
    WM_TRY(alone.status());
    finish_settle(stage, alone, 0, *flight);
  }
  return {};
}

}  // namespace wiremill
