#include "daemon/pipeline/pipeline.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "daemon/base/mutant.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/pipeline/batch.hpp"
#include "daemon/pipeline/batch_size.hpp"
#include "daemon/pipeline/lines.hpp"
#include "daemon/pipeline/stage_marker.hpp"

namespace wiremill {

class Pipeline::Impl {
 public:
  Impl(std::shared_ptr<Line> line, StateStore& state, const PipelineOptions& options,
       PipelinePorts ports, Topics topics, StateVersions versions,
       std::unique_ptr<StageMarker> marker)
      : state_(state),
        options_(options),
        ports_(std::move(ports)),
        marker_(std::move(marker)),
        batch_size_(options.batch_documents_max),
        lines_(std::move(line)),
        totals_(options.totals),
        topics_(std::move(topics)),
        versions_(std::move(versions)) {
    const MutexLock lock(mutex_);
    next_sequence_ = totals_.processed + totals_.dropped + totals_.dead + 1;
    counters_.processed = totals_.processed;
    counters_.dropped = totals_.dropped;
    counters_.dead = totals_.dead;
    if (marker_ != nullptr) accuse(next_sequence_ - 1);
    counters_.suspects = suspects_.size();
  }
  ~Impl() { stop(); }

  void start() {
    {
      const MutexLock lock(mutex_);
      lines_.current().line->calls().allow();
    }
    for (uint32_t i = 0; i < options_.threads; ++i)
      workers_.emplace_back([this, i] {
        set_thread_name(fmt::format("worker-{}", i));
        give_way(kLineNice);
        work(i);
      });
  }

  void wake() {
    const MutexLock lock(mutex_);
    readable_ = true;
    condition_.notify_one();
  }

  void release(uint64_t sequence) {
    const MutexLock lock(mutex_);
    while (!emitted_.empty() && emitted_.front().last_sequence <= sequence) {
      window_documents_ -= emitted_.front().documents;
      window_bytes_ -= emitted_.front().bytes;
      emitted_.pop_front();
    }
    if (marker_ != nullptr) marker_->clear_up_to(sequence);
    condition_.notify_one();
  }

  void stop() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      condition_.notify_all();
      retired_.notify_all();
      lines_.stop_calls();
    }
    for (std::thread& worker : workers_)
      if (worker.joinable()) worker.join();
  }

  Result<std::vector<StateVersions::Mismatch>> refusals(const Line& next) const {
    auto found = StateVersions::mismatches(next, state_);
    if (!found) return found;
    const MutexLock lock(mutex_);
    for (auto& each : StateVersions::mismatches(next, lines_.line())) {
      const bool known =
          std::ranges::any_of(*found, [&](const auto& other) { return other.stage == each.stage; });
      if (!known) found->push_back(std::move(each));
    }
    return found;
  }

  Result<uint64_t> replace(std::shared_ptr<Line> next) {
    const auto refused = refusals(*next);
    if (!refused) return tl::unexpected(refused.error());
    if (!refused->empty()) return fail(ErrorCode::Config, "{}", refused->front().message);
    next->bind(state_);
    const MutexLock lock(mutex_);
    if (stopping_) return fail(ErrorCode::Unavailable, "the pipeline has stopped");
    WM_TRY(lines_.replace(std::move(next), batches_read_));
    return next_sequence_;
  }

  std::shared_ptr<Line> take_replaced() {
    const MutexLock lock(mutex_);
    while (!lines_.has_replaced() && !stopping_) retired_.wait(mutex_);
    return stopping_ ? nullptr : lines_.take_replaced();
  }

  Counters counters() const {
    const MutexLock lock(mutex_);
    Counters counters = counters_;
    counters.outside = lines_.calls_outside();
    return counters;
  }

  std::vector<StageCounts> stages() const {
    const MutexLock lock(mutex_);
    return lines_.counts();
  }

  std::optional<int64_t> hold_up_max_ms() const {
    const MutexLock lock(mutex_);
    return wiremill::hold_up_max_ms(lines_.line().stages());
  }

 private:
  // What a batch still holds of the window after its emission.
  struct Emitted {
    uint64_t last_sequence;
    size_t documents;
    int64_t bytes;
  };

  // Takes over the suspects that have no result yet: those above `last_result`.
  void accuse(uint64_t last_result) WM_REQUIRES(mutex_) {
    marker_->clear_up_to(last_result);
    for (const Suspect& suspect : marker_->suspects())
      if (suspect.sequence > last_result) suspects_.push_back(suspect);
  }

  void work(size_t worker) {
    text::Segmenter segmenter;
    while (std::unique_ptr<Batch> batch = take()) advance(std::move(batch), worker, segmenter);
  }

  // The oldest batch that can go on, else a new one; null when stopping.
  std::unique_ptr<Batch> take() {
    mutex_.lock();
    for (;;) {
      if (stopping_) break;
      if (!ready_.empty()) {
        std::unique_ptr<Batch> batch = std::move(ready_.begin()->second);
        ready_.erase(ready_.begin());
        mutex_.unlock();
        return batch;
      }
      if (readable_ && !reading_ && window_is_open() && suspects_allow_reading()) {
        reading_ = true;
        mutex_.unlock();
        std::unique_ptr<Batch> batch = read();
        mutex_.lock();
        reading_ = false;
        // Another worker may have found the reader busy or the window open for more.
        condition_.notify_one();
        if (batch == nullptr) continue;
        batch->run = &lines_.current();
        batch->index = batches_read_++;
        next_sequence_ = batch->flights.back().sequence() + 1;
        if (batch->alone) judge(batch->flights.front());
        counters_.read += batch->flights.size();
        counters_.in_line += batch->flights.size();
        alone_ = batch->alone;
        window_documents_ += batch->flights.size();
        window_bytes_ += batch->bytes;
        mutex_.unlock();
        return batch;
      }
      condition_.wait(mutex_);
    }
    mutex_.unlock();
    return nullptr;
  }

  bool window_is_open() const WM_REQUIRES(mutex_) {
    return window_documents_ < options_.window_documents && window_bytes_ < options_.window_bytes;
  }

  // While there are suspects, each document has the line to itself.
  bool suspects_allow_reading() const WM_REQUIRES(mutex_) {
    return !alone_ && (suspects_.empty() || counters_.in_line == 0);
  }

  std::unique_ptr<Batch> read() {
    auto batch = std::make_unique<Batch>();
    size_t documents_max;
    {
      // Cleared first: a wake() while we read must not be lost.
      const MutexLock lock(mutex_);
      readable_ = false;
      batch->alone = !suspects_.empty();
      documents_max = batch->alone ? 1 : batch_size_.documents();
    }
    std::vector<LogRecord> records;
    if (const Status status = ports_.read(
            documents_max, static_cast<size_t>(options_.batch_bytes_max), records);
        !status) {
      give_up(status.error());
      return nullptr;
    }
    if (records.empty()) return nullptr;
    {
      const MutexLock lock(mutex_);
      readable_ = true;
    }
    for (LogRecord& record : records) {
      batch->bytes += static_cast<int64_t>(record.payload.size());
      batch->flights.push_back(
          flight_from_record(record.sequence, record.damaged, std::move(record.payload)));
    }
    return batch;
  }

  // Condemns a suspect whose stage has died of it often enough.
  void judge(Flight& flight) WM_REQUIRES(mutex_) {
    const std::vector<LineStage>& stages = lines_.line().stages();
    while (!suspects_.empty() && suspects_.front().sequence <= flight.sequence()) {
      const Suspect suspect = std::move(suspects_.front());
      suspects_.pop_front();
      if (suspect.sequence != flight.sequence() || !flight.in_line()) continue;
      const auto stage = std::ranges::find_if(
          stages, [&](const LineStage& each) { return each.stage->name() == suspect.stage; });
      if (stage != stages.end() && suspect.attempts >= stage->attempts_max)
        flight.leave(v1::Result::DEAD, suspect.stage, "CRASHED",
                     fmt::format("the stage ended the daemon by {} while this document alone was "
                                 "in the line",
                                 suspect.cause),
                     suspect.attempts);
    }
    counters_.suspects = suspects_.size();
  }

  // Takes the batch as far as it can go.
  void advance(std::unique_ptr<Batch> batch, size_t worker, text::Segmenter& segmenter) {
    const std::vector<Step>& steps = batch->run->line->steps();
    size_t settle = 0;  // the next one on the batch's way
    for (size_t i = 0; i < batch->position; ++i) settle += steps[i].kind == Step::Kind::Settle;
    for (; batch->position < steps.size(); ++batch->position) {
      const bool ordered = steps[batch->position].kind == Step::Kind::Settle;
      if (ordered && !enter_settle(settle, batch)) return;
      const int64_t bytes_before = batch->result_bytes;
      if (const Status status = step(*batch, worker, segmenter); !status)
        return give_up(status.error());
      note_bytes(*batch, bytes_before);
      if (ordered && mutant("state_before_result"))
        WM_INVARIANT(state_.commit(batch->flights.back().sequence()) && state_.checkpoint());
      if (ordered) leave_settle(*batch, settle++);
      if (stopping()) return;
    }
    if (batch->results.empty()) {
      const int64_t bytes_before = batch->result_bytes;
      finish(*batch);
      note_bytes(*batch, bytes_before);
    }
    if (!enter_emission(batch)) return;
    emit(*batch);
    leave_emission();
  }

  Status step(Batch& batch, size_t worker, text::Segmenter& segmenter) {
    const Line& line = *batch.run->line;
    const Step& step = line.steps()[batch.position];
    const bool in_stage = step.kind == Step::Kind::Process || step.kind == Step::Kind::Settle;
    const bool marked = marker_ != nullptr && in_stage;
    if (marked)
      marker_->enter(worker, line.stages()[step.stage].stage->name(),
                     batch.flights.front().sequence(), batch.flights.back().sequence(),
                     batch.alone);
    Status status = run_step(line, batch, state_, segmenter, options_.timings);
    if (marked) marker_->leave(worker);
    return status;
  }

  // What stages say takes its part of the window from when it is said.
  void note_bytes(const Batch& batch, int64_t before) {
    const MutexLock lock(mutex_);
    window_bytes_ += batch.result_bytes - before;
    if (batch.result_bytes < before) condition_.notify_one();
  }

  // True: the batch may pass now. False: it was parked there.
  bool enter_settle(size_t settle, std::unique_ptr<Batch>& batch) {
    const MutexLock lock(mutex_);
    return lines_.enter_settle(settle, batch);
  }
  bool enter_emission(std::unique_ptr<Batch>& batch) {
    const MutexLock lock(mutex_);
    return lines_.enter_emission(batch);
  }

  void leave_settle(const Batch& batch, size_t settle) {
    const MutexLock lock(mutex_);
    lines_.leave_settle(batch, settle, ready_);
    offer_ready();
  }
  void leave_emission() {
    const MutexLock lock(mutex_);
    lines_.leave_emission(ready_);
    offer_ready();
    if (lines_.has_replaced()) retired_.notify_all();
  }

  // This worker has a batch to go on with; those that were parked are for others.
  void offer_ready() WM_REQUIRES(mutex_) {
    for (size_t i = 0; i < ready_.size(); ++i) condition_.notify_one();
  }

  void emit(Batch& batch) {
    {
      const MutexLock lock(mutex_);
      emitted_.push_back({batch.flights.back().sequence(), batch.flights.size(),
                          batch.bytes + batch.result_bytes});
      batch_size_.note(batch.flights.size(), batch.settling, batch.result_bytes);
    }
    const size_t count = batch.flights.size();
    for (size_t i = 0; i < count && !stopping(); ++i) {
      Flight& flight = batch.flights[i];
      if (mutant("half_settle_batch") && i >= count / 2) flight.changes.clear();
      totals_.count(flight.result.status());
      if (options_.dead_letters != nullptr) options_.dead_letters->note(flight);
      versions_.note(*batch.run->line, flight);
      if (const Status status =
              ports_.emit(flight.sequence(), make_record(batch, i, state_, topics_, totals_));
          !status)
        return give_up(status.error());
      const MutexLock lock(mutex_);
      --counters_.in_line;
      counters_.processed = totals_.processed;
      counters_.dropped = totals_.dropped;
      counters_.dead = totals_.dead;
    }
    const MutexLock lock(mutex_);
    if (!batch.alone) return;
    alone_ = false;
    condition_.notify_one();
  }

  bool stopping() {
    const MutexLock lock(mutex_);
    return stopping_;
  }

  void give_up(const Error& error) {
    {
      const MutexLock lock(mutex_);
      if (std::exchange(stopping_, true)) return;
      condition_.notify_all();
      retired_.notify_all();
    }
    if (ports_.failed) ports_.failed(error);
  }

  // Constant after construction.
  StateStore& state_;
  const PipelineOptions options_;
  const PipelinePorts ports_;
  const std::unique_ptr<StageMarker> marker_;
  std::vector<std::thread> workers_;

  mutable Mutex mutex_;
  Condition condition_;  // the workers'
  Condition retired_;    // of whoever waits for a replaced line
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  bool readable_ WM_GUARDED_BY(mutex_) = true;
  bool reading_ WM_GUARDED_BY(mutex_) = false;
  uint64_t batches_read_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t next_sequence_ WM_GUARDED_BY(mutex_) = 0;  // the first one not read yet
  size_t window_documents_ WM_GUARDED_BY(mutex_) = 0;
  int64_t window_bytes_ WM_GUARDED_BY(mutex_) = 0;
  BatchSize batch_size_ WM_GUARDED_BY(mutex_);
  ReadyBatches ready_ WM_GUARDED_BY(mutex_);
  Lines lines_ WM_GUARDED_BY(mutex_);
  std::deque<Emitted> emitted_ WM_GUARDED_BY(mutex_);
  Counters counters_ WM_GUARDED_BY(mutex_);
  std::deque<Suspect> suspects_ WM_GUARDED_BY(mutex_);  // not read yet
  bool alone_ WM_GUARDED_BY(mutex_) = false;            // the batch in the line is to be alone

  // Touched only inside the emission's ordered point.
  Totals totals_;
  Topics topics_;
  StateVersions versions_;
};

std::vector<std::string> Pipeline::spaces(const Line& line) {
  std::vector<std::string> names = line.spaces();
  for (const char* own :
       {Topics::kSpace, StateVersions::kSpace, DeadLetters::kSpace, DeadLetters::kRecordsSpace})
    names.emplace_back(own);
  return names;
}

Result<std::unique_ptr<Pipeline>> Pipeline::make(std::shared_ptr<Line> line, StateStore& state,
                                                 const PipelineOptions& options,
                                                 PipelinePorts ports) {
  const auto refused = StateVersions::mismatches(*line, state);
  if (!refused) return tl::unexpected(refused.error());
  if (!refused->empty()) return fail(ErrorCode::Config, "{}", refused->front().message);
  line->bind(state);
  auto topics = Topics::load(state, options.topics_max);
  if (!topics) return tl::unexpected(std::move(topics).error());
  auto versions = StateVersions::load(state);
  if (!versions) return tl::unexpected(std::move(versions).error());
  std::unique_ptr<StageMarker> marker;
  if (!options.marker_path.empty()) {
    auto opened = StageMarker::open(options.marker_path, options.threads);
    if (!opened) return tl::unexpected(std::move(opened).error());
    marker = std::move(*opened);
  }
  auto impl = std::make_unique<Impl>(std::move(line), state, options, std::move(ports),
                                     std::move(*topics), std::move(*versions), std::move(marker));
  return std::unique_ptr<Pipeline>(new Pipeline(std::move(impl)));
}

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;
void Pipeline::start() { impl_->start(); }
void Pipeline::wake() { impl_->wake(); }
void Pipeline::release(uint64_t sequence) { impl_->release(sequence); }
void Pipeline::stop() { impl_->stop(); }
Result<uint64_t> Pipeline::replace(std::shared_ptr<Line> next) {
  return impl_->replace(std::move(next));
}
std::shared_ptr<Line> Pipeline::take_replaced() { return impl_->take_replaced(); }
Result<std::vector<StateVersions::Mismatch>> Pipeline::refusals(const Line& next) const {
  return impl_->refusals(next);
}
Pipeline::Counters Pipeline::counters() const { return impl_->counters(); }
std::vector<StageCounts> Pipeline::stages() const { return impl_->stages(); }
std::optional<int64_t> Pipeline::hold_up_max_ms() const { return impl_->hold_up_max_ms(); }

}  // namespace wiremill
