#include "daemon/service/committer.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/log/log.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

// What recovery applies at most, beside what was committed while the last checkpoint was written.
constexpr uint64_t kResultsPerCheckpoint = 25'000;
constexpr uint64_t kBytesPerCheckpoint = 64 << 20;
constexpr std::chrono::seconds kRetryPeriod{1};
constexpr std::chrono::milliseconds kCheckpointPeriod{10};  // to look whether it is written

}  // namespace

Committer::Committer(StateStore& state, std::function<void(uint64_t)> committed,
                     std::function<void(const Error&)> failed)
    : state_(state),
      committed_(std::move(committed)),
      failed_(std::move(failed)),
      checkpointed_(state.recovered_up_to()),
      thread_([this] {
        set_thread_name("state");
        serve();
      }) {}

Committer::~Committer() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    checkpoint_due_ = true;
    condition_.notify_one();
  }
  thread_.join();
}

void Committer::durable(uint64_t sequence) {
  const MutexLock lock(mutex_);
  durable_ = std::max(durable_, sequence);
  condition_.notify_one();
}

void Committer::request_checkpoint() {
  const MutexLock lock(mutex_);
  checkpoint_due_ = true;
  condition_.notify_one();
}

Status Committer::run(const std::function<Status()>& work) {
  Task task{work, {}};
  const MutexLock lock(mutex_);
  tasks_.push_back(&task);
  condition_.notify_one();
  while (!task.done) answered_.wait(mutex_);
  return std::move(task.answer);
}

Status Committer::health() const {
  const MutexLock lock(mutex_);
  return health_;
}

void Committer::serve() {
  for (bool last = false; !last;) {
    const Turn turn = next();
    last = turn.last;
    Status status = broken_ ? health() : advance(turn);
    for (Task* task : turn.tasks) {
      task->answer = status;
      if (!status) continue;
      task->answer = task->work();
      if (task->answer) task->answer = status = write_checkpoint();
    }
    note(status);
    answer(turn.tasks);
  }
}

Committer::Turn Committer::next() {
  const MutexLock lock(mutex_);
  if (stalled_)
    while (!stopping_ && tasks_.empty() && condition_.wait_for(mutex_, kRetryPeriod)) continue;
  else
    while (!stopping_ && tasks_.empty() && (broken_ || (durable_ == up_to_ && !checkpoint_due_)))
      if (broken_ || !state_.is_checkpointing())
        condition_.wait(mutex_);
      else if (!condition_.wait_for(mutex_, kCheckpointPeriod))
        break;
  return {durable_, std::exchange(checkpoint_due_, false), stopping_, std::exchange(tasks_, {})};
}

Status Committer::advance(const Turn& turn) {
  if (mutant("state_before_result")) {  // the pipeline does it, too early
    if (turn.wanted > up_to_) committed_(up_to_ = turn.wanted);
    return {};
  }
  WM_TRY(follow_checkpoint());
  due_ |= turn.checkpoint;
  if (turn.wanted > up_to_) {
    fail_point("state.apply.before");
    WM_TRY(state_.commit(turn.wanted));
    fail_point("state.apply.after");
    up_to_ = turn.wanted;
    committed_(up_to_);
    due_ |= up_to_ - checkpointed_ >= kResultsPerCheckpoint ||
            state_.bytes_since_checkpoint() >= kBytesPerCheckpoint;
  }
  if (turn.last || stalled_) return write_checkpoint();
  if (!due_ || state_.is_checkpointing()) return {};
  fail_point("checkpoint.before");
  WM_TRY(state_.begin_checkpoint());
  due_ = false;
  return {};
}

// Commits go on while RocksDB writes: without them the line's window would fill, and the line wait.
Status Committer::follow_checkpoint() {
  if (!state_.is_checkpointing()) return {};
  const auto up_to = state_.checkpointed();
  if (!up_to) return tl::unexpected(up_to.error());
  if (!state_.is_checkpointing()) fail_point("checkpoint.after");
  checkpointed_ = *up_to;
  return {};
}

Status Committer::write_checkpoint() {
  fail_point("checkpoint.before");
  const auto up_to = state_.checkpoint();
  if (!up_to) return tl::unexpected(up_to.error());
  fail_point("checkpoint.after");
  checkpointed_ = *up_to;
  return {};
}

void Committer::note(const Status& status) {
  const bool was_good = !stalled_ && !broken_;
  stalled_ = !status && status.error().code == ErrorCode::NoSpace;
  broken_ = !status && !stalled_;
  if (status && !was_good) log_info("state: the store can be written again");
  {
    const MutexLock lock(mutex_);
    health_ = status;
  }
  if (!status && was_good) failed_(status.error());
}

void Committer::answer(const std::vector<Task*>& tasks) {
  const MutexLock lock(mutex_);
  for (Task* task : tasks) task->done = true;
  if (!tasks.empty()) answered_.notify_all();
}

namespace {

// A stage that is no longer in the line keeps its state up to date: it may come back.
Status gather(v1::ResultRecord& record, uint64_t sequence, StateStore& state,
              std::vector<StateStore::Change>& changes) {
  std::vector<size_t> spaces;  // of the store, in the order of record.spaces
  for (const std::string& name : record.spaces()) {
    const auto space = state.add_space(name);
    if (!space) return tl::unexpected(space.error());
    spaces.push_back(*space);
  }
  for (v1::StateChange& change : *record.mutable_changes()) {
    if (change.space() >= spaces.size())
      return fail(ErrorCode::Damaged, "result {}: a state change of an unknown space", sequence);
    std::optional<std::string> value;
    if (change.has_value()) value = std::move(*change.mutable_value());
    changes.push_back({spaces[change.space()], std::move(*change.mutable_key()), std::move(value)});
  }
  return {};
}

// Applies the changes recorded above the store's own checkpoint.
Status recover_state(const Log& results, StateStore& state) {
  constexpr size_t kRecordsPerStep = 4096;
  constexpr size_t kBytesPerStep = 32 << 20;
  const uint64_t durable = results.durable();
  log_info("state: applying the changes of results {} to {}", state.recovered_up_to() + 1, durable);
  const auto reader = results.reader(state.recovered_up_to() + 1);
  std::vector<LogRecord> records;
  std::vector<StateStore::Change> changes;
  for (uint64_t applied = state.recovered_up_to(); applied < durable;) {
    records.clear();
    changes.clear();
    WM_TRY(reader->read(kRecordsPerStep, kBytesPerStep, records));
    if (records.empty()) return fail(ErrorCode::Damaged, "result {} cannot be read", applied + 1);
    for (const LogRecord& entry : records) {
      applied = entry.sequence;
      v1::ResultRecord record;
      if (entry.damaged || !record.ParseFromString(entry.payload))
        log_error("result {} is damaged: its state changes are lost", applied);
      else
        WM_TRY(gather(record, applied, state, changes));
    }
    WM_TRY(state.replay(std::move(changes), applied));
    fail_point("recovery.state.applied");
  }
  // So that a crash soon after does not have it all done once more.
  WM_TRY(state.checkpoint());
  return {};
}

// What becomes of the stages' memory where the store is thrown away.
std::string advice(const std::string& directory, const Log& results) {
  const LogStatistics log = results.statistics();
  if (log.durable == 0) return fmt::format("remove {} and start again", directory);
  if (log.first == 1)
    return fmt::format(
        "remove {} and start again: it is rebuilt from the result log, which reaches back to the "
        "first result",
        directory);
  return fmt::format(
      "the result log reaches back to result {} only, so what the stages remember of the results "
      "before it, and their dead letters, cannot be rebuilt: put back a copy of {}, or remove it "
      "and start again without that memory",
      log.first, directory);
}

}  // namespace

Result<std::unique_ptr<StateStore>> open_state(const std::string& directory,
                                               const std::vector<std::string>& spaces, Log& results,
                                               StateStoreOptions options) {
  options.before_checkpoint = [&results]() -> Status {
    return mutant("checkpoint_before_sync") ? Status() : results.sync();
  };
  auto opened = StateStore::open(directory, spaces, options);
  if (!opened && opened.error().code == ErrorCode::Damaged)
    return fail(ErrorCode::Damaged, "{}; {}", opened.error().message, advice(directory, results));
  if (!opened) return opened;
  StateStore& state = **opened;
  const LogStatistics log = results.statistics();
  const uint64_t recovered = state.recovered_up_to();
  if (recovered > log.durable) {
    if (mutant("state_before_result")) return opened;
    return fail(ErrorCode::Damaged,
                "the state store holds results up to {}, but the result log ends at {}: the log "
                "lost its end",
                recovered, log.durable);
  }
  if (recovered + 1 < log.first) {
    if (recovered != 0)
      return fail(ErrorCode::Damaged,
                  "the state store {} ends at result {}, but the results from {} to {} are no "
                  "longer in the log; {}",
                  directory, recovered, recovered + 1, log.first - 1, advice(directory, results));
    log_warning(
        "state: the store is new, but the result log begins at {}: stages remember nothing of "
        "earlier documents, and their dead letters are gone",
        log.first);
  }
  if (recovered < log.durable) WM_TRY(recover_state(results, state));
  return opened;
}

}  // namespace wiremill
