#include "daemon/pipeline/batch.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/text/utf8.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

uint32_t microseconds_each(Clock::duration total, size_t documents) {
  const auto all = std::chrono::duration_cast<std::chrono::microseconds>(total).count();
  return static_cast<uint32_t>(all / static_cast<int64_t>(std::max<size_t>(documents, 1)));
}

v1::Timing& timing_of(v1::Result& result, const std::string& stage) {
  for (v1::Timing& timing : *result.mutable_timings())
    if (timing.stage() == stage) return timing;
  v1::Timing& timing = *result.add_timings();
  timing.set_stage(stage);
  return timing;
}

void segment(Flight& flight, text::Segmenter& segmenter) {
  v1::Result& result = flight.result;
  segmenter.segment(result.text(), result.language().code(), flight.segmentation);
  result.clear_sentences();
  result.mutable_sentences()->Reserve(static_cast<int>(flight.segmentation.sentences.size()));
  for (const wm_span& sentence : flight.segmentation.sentences) {
    v1::Span& span = *result.add_sentences();
    span.set_begin(sentence.begin);
    span.set_end(sentence.end);
  }
  flight.provided |= kSentences;
}

Status run_stage(const LineStage& stage, Step::Kind kind, Batch& batch, StateStore& state) {
  if (kind == Step::Kind::Settle) return call_settle(stage, batch.flights, state);
  return call_process(stage, batch.flights);
}

void repair_text(Flight& flight) {
  if ((flight.provided & kText) != 0) return;
  flight.result.set_text(text::repair(flight.document.body()));
  flight.provided |= kText;
}

// What says whose it is, and nothing of what it became.
void keep_origin(v1::Result& result) {
  v1::Result bare;
  bare.set_sequence(result.sequence());
  bare.set_id(std::move(*result.mutable_id()));
  bare.set_source(std::move(*result.mutable_source()));
  bare.set_uri(std::move(*result.mutable_uri()));
  bare.set_revises(result.revises());
  bare.set_retries(result.retries());
  bare.Swap(&result);
}

}  // namespace

Status run_step(const Line& line, Batch& batch, StateStore& state, text::Segmenter& segmenter,
                bool timings) {
  const Step& step = line.steps()[batch.position];
  switch (step.kind) {
    case Step::Kind::RepairText:
      for (Flight& flight : batch.flights)
        if (flight.in_line()) repair_text(flight);
      return {};
    case Step::Kind::Segment:
      for (Flight& flight : batch.flights)
        if (flight.in_line()) segment(flight, segmenter);
      return {};
    case Step::Kind::Process:
    case Step::Kind::Settle: break;
  }
  const LineStage& stage = line.stages()[step.stage];
  const auto began = Clock::now();
  WM_TRY(run_stage(stage, step.kind, batch, state));
  const Clock::duration spent = Clock::now() - began;
  batch.result_bytes = 0;
  for (const Flight& flight : batch.flights) batch.result_bytes += flight.said_bytes;
  if (step.kind == Step::Kind::Settle) batch.settling += spent;
  if (!timings) return {};
  const uint32_t spent_us = microseconds_each(spent, batch.flights.size());
  for (Flight& flight : batch.flights) {
    v1::Timing& timing = timing_of(flight.result, stage.stage->name());
    if (step.kind == Step::Kind::Process)
      timing.set_process_us(spent_us);
    else
      timing.set_settle_us(spent_us);
  }
  return {};
}

void finish(Batch& batch) {
  batch.result_bytes = 0;
  for (Flight& flight : batch.flights) {
    if (flight.in_line()) flight.result.set_status(v1::Result::PROCESSED);
    set_provided(flight.provided, flight.result);
    if (const size_t bytes = flight.result.ByteSizeLong(); bytes > kResultBytesMax) {
      keep_origin(flight.result);
      flight.leave(v1::Result::DEAD, "pipeline", "TOO_LARGE",
                   fmt::format("its result has {} bytes, over the limit of {}", bytes,
                               kResultBytesMax),
                   0);
    }
    batch.results.push_back(flight.result.SerializeAsString());
    batch.result_bytes += static_cast<int64_t>(batch.results.back().size());
    for (const FlightChange& change : flight.changes)
      batch.result_bytes += static_cast<int64_t>(change.key.size() + change.value.size());
  }
}

std::string make_record(Batch& batch, size_t index, const StateStore& state, Topics& topics,
                        const Totals& totals) {
  Flight& flight = batch.flights[index];
  v1::ResultRecord record;
  record.set_topic(topic_of(flight.result));
  record.set_previous(topics.advance(record.topic(), flight));
  record.set_result(std::move(batch.results[index]));
  record.set_accepted_at_us(flight.accepted_at_us);
  record.set_status(static_cast<uint32_t>(flight.result.status()));
  record.mutable_totals()->set_processed(totals.processed);
  record.mutable_totals()->set_dropped(totals.dropped);
  record.mutable_totals()->set_dead(totals.dead);
  std::vector<size_t> spaces;  // of the store, in the order of record.spaces
  for (FlightChange& change : flight.changes) {
    const auto known = std::find(spaces.begin(), spaces.end(), change.space);
    v1::StateChange& entry = *record.add_changes();
    entry.set_space(static_cast<uint32_t>(known - spaces.begin()));
    entry.set_key(std::move(change.key));
    if (!change.removed) entry.set_value(std::move(change.value));
    if (known != spaces.end()) continue;
    spaces.push_back(change.space);
    record.add_spaces(state.space_name(change.space));
  }
  return record.SerializeAsString();
}

}  // namespace wiremill
