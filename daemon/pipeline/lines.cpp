#include "daemon/pipeline/lines.hpp"

#include <algorithm>
#include <utility>

namespace wiremill {
namespace {

std::unique_ptr<LineRun> begin_run(std::shared_ptr<Line> line, uint64_t first_batch) {
  auto run = std::make_unique<LineRun>(LineRun{std::move(line), first_batch});
  for (const Step& step : run->line->steps())
    if (step.kind == Step::Kind::Settle) run->settles.push_back({.next = first_batch});
  return run;
}

bool pass(OrderedPoint& point, bool is_open, std::unique_ptr<Batch>& batch) {
  const uint64_t index = batch->index;
  if (is_open && point.next == index) return true;
  point.parked.emplace(index, std::move(batch));
  return false;
}

void wake(OrderedPoint& point, ReadyBatches& ready) {
  if (const auto parked = point.parked.find(point.next); parked != point.parked.end())
    ready.insert(point.parked.extract(parked));
}

void add(const std::optional<uint64_t>& from, std::optional<uint64_t>& to) {
  if (from) to = to.value_or(0) + *from;
}

// Adds what the stages of `line` counted to those of the same names.
void add(const Line& line, std::vector<StageCounts>& counts) {
  for (StageCounts& from : line.counts()) {
    const auto to = std::ranges::find(counts, from.name, &StageCounts::name);
    if (to == counts.end()) continue;
    to->metrics.go_on(from.metrics);
    add(from.skipped_errors, to->skipped_errors);
    add(from.left_out, to->left_out);
  }
}

}  // namespace

Lines::Lines(std::shared_ptr<Line> line) : current_(begin_run(std::move(line), 0)) {}

Status Lines::replace(std::shared_ptr<Line> next, uint64_t first_batch) {
  if (previous_ != nullptr || replaced_ != nullptr)
    return fail(ErrorCode::Busy, "the line is being replaced already");
  previous_ = std::exchange(current_, begin_run(std::move(next), first_batch));
  if (emission_.next == first_batch) retire();
  return {};
}

std::shared_ptr<Line> Lines::take_replaced() { return std::exchange(replaced_, nullptr); }

bool Lines::enter_settle(size_t settle, std::unique_ptr<Batch>& batch) {
  LineRun& run = *batch->run;
  return pass(run.settles[settle], settle > 0 || may_settle(run), batch);
}

bool Lines::enter_emission(std::unique_ptr<Batch>& batch) { return pass(emission_, true, batch); }

void Lines::leave_settle(const Batch& batch, size_t settle, ReadyBatches& ready) {
  OrderedPoint& point = batch.run->settles[settle];
  ++point.next;
  wake(point, ready);
  if (batch.run == previous_.get() && !current_->settles.empty() && may_settle(*current_))
    wake(current_->settles.front(), ready);
}

void Lines::leave_emission(ReadyBatches& ready) {
  ++emission_.next;
  wake(emission_, ready);
  if (previous_ != nullptr && emission_.next == current_->first_batch) retire();
}

bool Lines::may_settle(const LineRun& run) const {
  if (&run != current_.get() || previous_ == nullptr || previous_->settles.empty()) return true;
  return previous_->settles.back().next == run.first_batch;
}

void Lines::retire() {
  past_ = counts_before();
  replaced_ = previous_->line;
  previous_.reset();
}

std::vector<StageCounts> Lines::counts_before() const {
  std::vector<StageCounts> counts;
  for (const LineStage& stage : current_->line->stages()) {
    const auto past = std::ranges::find(past_, stage.stage->name(), &StageCounts::name);
    counts.push_back(past != past_.end() ? *past : StageCounts{stage.stage->name()});
  }
  if (previous_ != nullptr) add(*previous_->line, counts);
  return counts;
}

std::vector<StageCounts> Lines::counts() const {
  std::vector<StageCounts> counts = counts_before();
  add(*current_->line, counts);
  return counts;
}

void Lines::stop_calls() {
  for (const LineRun* run : {current_.get(), previous_.get()})
    if (run != nullptr) run->line->calls().stop();
}

uint32_t Lines::calls_outside() const {
  uint32_t calls = 0;
  for (const LineRun* run : {current_.get(), previous_.get()})
    if (run != nullptr)
      for (const LineStage& stage : run->line->stages()) calls += stage.stage->calls_outside();
  return calls;
}

}  // namespace wiremill
