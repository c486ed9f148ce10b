#include "daemon/pipeline/pipeline.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "daemon/base/mutant.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/pipeline/batch.hpp"
#include "daemon/pipeline/stage_marker.hpp"

namespace wiremill {

class Pipeline::Impl {
 public:
  Impl(Line& line, StateStore& state, const PipelineOptions& options, PipelinePorts ports,
       Topics topics, std::unique_ptr<StageMarker> marker)
      : line_(line),
        state_(state),
        options_(options),
        ports_(std::move(ports)),
        marker_(std::move(marker)),
        points_(count_points(line)),
        totals_(options.totals),
        topics_(std::move(topics)) {
    const MutexLock lock(mutex_);
    counters_.processed = totals_.processed;
    counters_.dropped = totals_.dropped;
    counters_.dead = totals_.dead;
    if (marker_ != nullptr) accuse(totals_.processed + totals_.dropped + totals_.dead);
    counters_.suspects = suspects_.size();
  }
  ~Impl() { stop(); }

  void start() {
    line_.calls().allow();
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
    }
    line_.calls().stop();
    for (std::thread& worker : workers_)
      if (worker.joinable()) worker.join();
  }

  Counters counters() const {
    uint64_t outside = 0;
    for (const LineStage& stage : line_.stages()) outside += stage.stage->calls_outside();
    const MutexLock lock(mutex_);
    Counters counters = counters_;
    counters.outside = outside;
    return counters;
  }

 private:
  // A place that batches pass one at a time, in the order in which they were read.
  struct OrderedPoint {
    uint64_t next = 0;                                  // the batch whose turn it is
    std::map<uint64_t, std::unique_ptr<Batch>> parked;  // came too early
  };
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

  // One for each settle, and one for the emission.
  static size_t count_points(const Line& line) {
    return 1 + static_cast<size_t>(
                   std::count_if(line.steps().begin(), line.steps().end(),
                                 [](const Step& step) { return step.kind == Step::Kind::Settle; }));
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
        batch->index = batches_read_++;
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
    bool alone;
    {
      // Cleared first: a wake() while we read must not be lost.
      const MutexLock lock(mutex_);
      readable_ = false;
      alone = !suspects_.empty();
    }
    std::vector<LogRecord> records;
    if (const Status status = ports_.read(alone ? 1 : options_.batch_documents_max,
                                          static_cast<size_t>(options_.batch_bytes_max), records);
        !status) {
      give_up(status.error());
      return nullptr;
    }
    if (records.empty()) return nullptr;
    {
      const MutexLock lock(mutex_);
      readable_ = true;
    }
    auto batch = std::make_unique<Batch>();
    for (LogRecord& record : records) {
      batch->bytes += static_cast<int64_t>(record.payload.size());
      batch->flights.push_back(
          flight_from_record(record.sequence, record.damaged, std::move(record.payload)));
    }
    batch->alone = alone;
    if (alone) judge(batch->flights.front());
    return batch;
  }

  // Condemns a suspect whose stage has died of it often enough.
  void judge(Flight& flight) {
    const MutexLock lock(mutex_);
    while (!suspects_.empty() && suspects_.front().sequence <= flight.sequence()) {
      const Suspect suspect = std::move(suspects_.front());
      suspects_.pop_front();
      if (suspect.sequence != flight.sequence() || !flight.in_line()) continue;
      const auto stage =
          std::find_if(line_.stages().begin(), line_.stages().end(),
                       [&](const LineStage& each) { return each.stage->name() == suspect.stage; });
      if (stage != line_.stages().end() && suspect.attempts >= stage->attempts_max)
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
    const std::vector<Step>& steps = line_.steps();
    size_t point = 0;  // the next ordered point on the batch's way
    for (size_t i = 0; i < batch->position; ++i) point += steps[i].kind == Step::Kind::Settle;
    for (; batch->position < steps.size(); ++batch->position) {
      const bool ordered = steps[batch->position].kind == Step::Kind::Settle;
      if (ordered && !enter(point, batch)) return;
      if (const Status status = step(*batch, worker, segmenter); !status)
        return give_up(status.error());
      if (ordered && mutant("state_before_result"))
        WM_INVARIANT(state_.commit(batch->flights.back().sequence()) && state_.checkpoint());
      if (ordered) leave(point++);
      if (stopping()) return;
    }
    if (batch->results.empty()) finish(*batch);
    if (!enter(point, batch)) return;
    emit(*batch);
    leave(point);
  }

  Status step(Batch& batch, size_t worker, text::Segmenter& segmenter) {
    const Step& step = line_.steps()[batch.position];
    const bool in_stage = step.kind == Step::Kind::Process || step.kind == Step::Kind::Settle;
    const bool marked = marker_ != nullptr && in_stage;
    if (marked)
      marker_->enter(worker, line_.stages()[step.stage].stage->name(),
                     batch.flights.front().sequence(), batch.flights.back().sequence(),
                     batch.alone);
    Status status = run_step(line_, batch, state_, segmenter, options_.timings);
    if (marked) marker_->leave(worker);
    return status;
  }

  // True: the batch may pass the point now. False: it was parked there.
  bool enter(size_t point, std::unique_ptr<Batch>& batch) {
    const MutexLock lock(mutex_);
    OrderedPoint& at = points_[point];
    if (at.next == batch->index) return true;
    const uint64_t index = batch->index;
    at.parked.emplace(index, std::move(batch));
    return false;
  }

  void leave(size_t point) {
    const MutexLock lock(mutex_);
    OrderedPoint& at = points_[point];
    ++at.next;
    if (const auto parked = at.parked.find(at.next); parked != at.parked.end()) {
      ready_.emplace(parked->first, std::move(parked->second));
      at.parked.erase(parked);
      condition_.notify_one();
    }
  }

  void emit(Batch& batch) {
    {
      const MutexLock lock(mutex_);
      emitted_.push_back({batch.flights.back().sequence(), batch.flights.size(), batch.bytes});
    }
    const size_t count = batch.flights.size();
    for (size_t i = 0; i < count && !stopping(); ++i) {
      Flight& flight = batch.flights[i];
      if (mutant("half_settle_batch") && i >= count / 2) flight.changes.clear();
      totals_.count(flight.result.status());
      if (options_.dead_letters != nullptr) options_.dead_letters->note(flight);
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
    }
    if (ports_.failed) ports_.failed(error);
  }

  // Constant after construction.
  Line& line_;
  StateStore& state_;
  const PipelineOptions options_;
  const PipelinePorts ports_;
  const std::unique_ptr<StageMarker> marker_;
  std::vector<std::thread> workers_;

  mutable Mutex mutex_;
  Condition condition_;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  bool readable_ WM_GUARDED_BY(mutex_) = true;
  bool reading_ WM_GUARDED_BY(mutex_) = false;
  uint64_t batches_read_ WM_GUARDED_BY(mutex_) = 0;
  size_t window_documents_ WM_GUARDED_BY(mutex_) = 0;
  int64_t window_bytes_ WM_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::unique_ptr<Batch>> ready_ WM_GUARDED_BY(mutex_);
  std::vector<OrderedPoint> points_ WM_GUARDED_BY(mutex_);
  std::deque<Emitted> emitted_ WM_GUARDED_BY(mutex_);
  Counters counters_ WM_GUARDED_BY(mutex_);
  std::deque<Suspect> suspects_ WM_GUARDED_BY(mutex_);  // not read yet
  bool alone_ WM_GUARDED_BY(mutex_) = false;            // the batch in the line is to be alone

  // Touched only inside the emission's ordered point.
  Totals totals_;
  Topics topics_;
};

std::vector<std::string> Pipeline::spaces(const Line& line) {
  std::vector<std::string> names = line.spaces();
  for (const char* own : {Topics::kSpace, DeadLetters::kSpace, DeadLetters::kRecordsSpace})
    names.emplace_back(own);
  return names;
}

Result<std::unique_ptr<Pipeline>> Pipeline::make(Line& line, StateStore& state,
                                                 const PipelineOptions& options,
                                                 PipelinePorts ports) {
  line.bind(state);
  auto topics = Topics::load(state, options.topics_max);
  if (!topics) return tl::unexpected(std::move(topics).error());
  std::unique_ptr<StageMarker> marker;
  if (!options.marker_path.empty()) {
    auto opened = StageMarker::open(options.marker_path, options.threads);
    if (!opened) return tl::unexpected(std::move(opened).error());
    marker = std::move(*opened);
  }
  auto impl = std::make_unique<Impl>(line, state, options, std::move(ports), std::move(*topics),
                                     std::move(marker));
  return std::unique_ptr<Pipeline>(new Pipeline(std::move(impl)));
}

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;
void Pipeline::start() { impl_->start(); }
void Pipeline::wake() { impl_->wake(); }
void Pipeline::release(uint64_t sequence) { impl_->release(sequence); }
void Pipeline::stop() { impl_->stop(); }
Pipeline::Counters Pipeline::counters() const { return impl_->counters(); }

}  // namespace wiremill
