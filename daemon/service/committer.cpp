#include "daemon/service/committer.hpp"

#include <utility>
#include <vector>

#include "daemon/base/logging.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/log/log.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

Committer::Committer(StateStore& state, std::function<void(uint64_t)> committed,
                     std::function<void(const Error&)> failed)
    : state_(state), committed_(std::move(committed)), failed_(std::move(failed)), thread_([this] {
        set_thread_name("state");
        run();
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

void Committer::run() {
  uint64_t committed = 0;
  for (bool last = false; !last;) {
    uint64_t wanted;
    bool checkpoint;
    {
      const MutexLock lock(mutex_);
      while (durable_ == committed && !checkpoint_due_ && !stopping_) condition_.wait(mutex_);
      wanted = durable_;
      checkpoint = std::exchange(checkpoint_due_, false);
      last = stopping_;
    }
    if (mutant("state_before_result")) {  // the pipeline does it, too early
      checkpoint = false;
      committed_(committed = wanted);
    }
    if (wanted > committed) {
      if (const Status status = state_.commit(wanted); !status) return failed_(status.error());
      committed = wanted;
      committed_(committed);
    }
    if (checkpoint)
      if (const auto up_to = state_.checkpoint(); !up_to) return failed_(up_to.error());
  }
}

namespace {

Status apply(const v1::ResultRecord& record, uint64_t sequence,
             const std::vector<std::optional<size_t>>& spaces, StateStore& state) {
  for (const v1::StateChange& change : record.changes()) {
    if (change.space() >= spaces.size())
      return fail(ErrorCode::Damaged, "result {}: a state change of an unknown space", sequence);
    if (const auto space = spaces[change.space()])
      state.write(
          *space, change.key(),
          change.has_value() ? std::optional<std::string_view>(change.value()) : std::nullopt,
          sequence);
  }
  return {};
}

}  // namespace

Status recover_state(const Log& results, StateStore& state) {
  constexpr size_t kRecordsPerStep = 256;
  constexpr size_t kBytesPerStep = 8 << 20;
  const uint64_t durable = results.durable();
  if (state.recovered_up_to() > durable && mutant("state_before_result")) return {};
  if (state.recovered_up_to() > durable)
    return fail(ErrorCode::Damaged,
                "the state store holds results up to {}, but the result log ends at {}: the log "
                "lost its end",
                state.recovered_up_to(), durable);
  if (state.recovered_up_to() == durable) return {};
  log_info("state: applying the changes of results {} to {}", state.recovered_up_to() + 1, durable);
  const auto reader = results.reader(state.recovered_up_to() + 1);
  std::vector<LogRecord> records;
  for (uint64_t applied = state.recovered_up_to(); applied < durable;) {
    records.clear();
    WM_TRY(reader->read(kRecordsPerStep, kBytesPerStep, records));
    if (records.empty()) return fail(ErrorCode::Damaged, "result {} cannot be read", applied + 1);
    for (const LogRecord& entry : records) {
      applied = entry.sequence;
      v1::ResultRecord record;
      if (entry.damaged || !record.ParseFromString(entry.payload)) {
        log_error("result {} is damaged: its state changes are lost", applied);
        continue;
      }
      std::vector<std::optional<size_t>> spaces;
      for (const std::string& name : record.spaces()) spaces.push_back(state.find_space(name));
      WM_TRY(apply(record, applied, spaces, state));
    }
    WM_TRY(state.commit(applied));
  }
  // So that a crash soon after does not have it all done once more.
  WM_TRY(state.checkpoint());
  return {};
}

}  // namespace wiremill
