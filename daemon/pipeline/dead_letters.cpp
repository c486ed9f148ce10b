#include "daemon/pipeline/dead_letters.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "daemon/base/thread.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

// Letters that one document's outcome removes at most: lowered limits are reached step by step, and
// no result record grows without bound.
constexpr int kRemovalsPerDocument = 64;

// Big-endian, so that keys ascend with the sequence.
std::string key_of(uint64_t sequence) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(sequence >> shift);
  return key;
}

uint64_t sequence_of(std::string_view key) {
  uint64_t sequence = 0;
  for (const char byte : key) sequence = sequence << 8 | static_cast<unsigned char>(byte);
  return sequence;
}

DeadLetters::Letter letter_of(uint64_t sequence, const v1::DeadLetter& stored) {
  return {sequence,      stored.id(),      stored.source(),   stored.stage(),
          stored.code(), stored.message(), stored.attempts(), stored.accepted_at_us(),
          stored.bytes()};
}

v1::DeadLetter stored_form(const Flight& flight) {
  const v1::Failure& failure = flight.result.failure();
  v1::DeadLetter letter;
  letter.set_id(flight.result.id());
  letter.set_source(flight.result.source());
  letter.set_stage(failure.stage());
  letter.set_code(failure.code());
  letter.set_message(failure.message());
  letter.set_attempts(failure.attempts());
  letter.set_accepted_at_us(flight.accepted_at_us);
  letter.set_bytes(flight.record.size());
  return letter;
}

bool fits(const DeadLetters::Filter& filter, const v1::DeadLetter& letter) {
  return (filter.stage.empty() || filter.stage == letter.stage()) &&
         (filter.code.empty() || filter.code == letter.code()) &&
         letter.accepted_at_us() >= filter.from_us && letter.accepted_at_us() < filter.until_us;
}

}  // namespace

class DeadLetters::Impl {
 public:
  Impl(StateStore& state, DeadLetterLimits limits)
      : state_(state),
        limits_(limits),
        space_(state.space(kSpace)),
        records_space_(state.space(kRecordsSpace)) {}

  Status load() {
    Status readable;
    std::vector<std::pair<uint64_t, v1::DeadLetter>> letters;
    WM_TRY(state_.scan(space_, "", "", [&](std::string_view key, std::string_view value) {
      v1::DeadLetter stored;
      if (!parse(key, value, stored, readable)) return false;
      letters.emplace_back(sequence_of(key), std::move(stored));
      return true;
    }));
    WM_TRY(readable);
    const MutexLock lock(mutex_);
    for (const auto& [sequence, stored] : letters) keep(sequence, stored);
    return {};
  }

  void note(Flight& flight) {
    const MutexLock lock(mutex_);
    if (flight.result.retries() != 0) remove(flight.result.retries(), flight);
    if (flight.result.status() == v1::Result::DEAD) {
      const v1::DeadLetter stored = stored_form(flight);
      keep(flight.sequence(), stored);
      change(space_, flight.sequence(), stored.SerializeAsString(), flight);
      if (!flight.record.empty())
        change(records_space_, flight.sequence(), std::move(flight.record), flight);
    }
    if (kept_.empty()) return;
    if (Kept& oldest = kept_.begin()->second; oldest.accepted_at_us == 0)
      oldest.accepted_at_us = flight.accepted_at_us;
    for (int removed = 0; removed < kRemovalsPerDocument && oldest_is_due(flight); ++removed)
      remove(kept_.begin()->first, flight);
  }

  std::vector<Letter> list(const Filter& filter, uint64_t from, size_t letters_max) const {
    std::vector<Letter> letters;
    if (letters_max == 0) return letters;
    (void)state_.scan(space_, "", key_of(from), [&](std::string_view key, std::string_view value) {
      v1::DeadLetter stored;
      if (stored.ParseFromArray(value.data(), static_cast<int>(value.size())) &&
          fits(filter, stored))
        letters.push_back(letter_of(sequence_of(key), stored));
      return letters.size() < letters_max;
    });
    return letters;
  }

  std::optional<Letter> find(uint64_t sequence) const {
    const auto value = get(space_, sequence);
    v1::DeadLetter stored;
    if (!value || !*value || !stored.ParseFromString(**value)) return std::nullopt;
    return letter_of(sequence, stored);
  }

  Result<std::string> intake_record(uint64_t sequence) const {
    auto letter = get(space_, sequence);
    if (!letter) return tl::unexpected(std::move(letter).error());
    if (!*letter) return fail(ErrorCode::NotFound, "there is no dead letter {}", sequence);
    // Until its result is durable it may yet become another.
    if (sequence > state_.committed())
      return fail(ErrorCode::Busy, "dead letter {} is being written", sequence);
    auto record = get(records_space_, sequence);
    if (!record) return tl::unexpected(std::move(record).error());
    if (!*record)
      return fail(ErrorCode::NotFound,
                  "dead letter {} has no document: its record in the intake log was damaged, so it "
                  "cannot be tried again",
                  sequence);
    return std::move(**record);
  }

  DeadLetters::Totals totals() const {
    const MutexLock lock(mutex_);
    return {kept_.size(), bytes_};
  }

  Result<size_t> discard(const std::vector<uint64_t>& sequences) {
    std::vector<StateStore::Change> changes;
    std::vector<uint64_t> discarded;
    {
      const MutexLock lock(mutex_);
      for (const uint64_t sequence : sequences) {
        if (sequence > state_.committed() || !kept_.contains(sequence)) continue;
        changes.push_back({space_, key_of(sequence), std::nullopt});
        changes.push_back({records_space_, key_of(sequence), std::nullopt});
        discarded.push_back(sequence);
      }
    }
    WM_TRY(state_.amend(changes));
    const MutexLock lock(mutex_);
    size_t count = 0;
    for (const uint64_t sequence : discarded) count += forget(sequence) ? 1 : 0;
    return count;
  }

 private:
  struct Kept {
    // Never before that of the letter before. That of a damaged document is not known: 0, until a
    // later one tells.
    int64_t accepted_at_us;
    uint64_t bytes;
  };

  static bool parse(std::string_view key, std::string_view value, v1::DeadLetter& stored,
                    Status& status) {
    if (key.size() == sizeof(uint64_t) &&
        stored.ParseFromArray(value.data(), static_cast<int>(value.size())))
      return true;
    status = fail(ErrorCode::Damaged, "a dead letter in the state store cannot be read");
    return false;
  }

  void keep(uint64_t sequence, const v1::DeadLetter& stored) WM_REQUIRES(mutex_) {
    int64_t accepted_at_us = stored.accepted_at_us();
    if (!kept_.empty())
      accepted_at_us = std::max(accepted_at_us, kept_.rbegin()->second.accepted_at_us);
    kept_.emplace(sequence, Kept{accepted_at_us, stored.bytes()});
    bytes_ += stored.bytes();
  }

  bool forget(uint64_t sequence) WM_REQUIRES(mutex_) {
    const auto kept = kept_.find(sequence);
    if (kept == kept_.end()) return false;
    bytes_ -= kept->second.bytes;
    kept_.erase(kept);
    return true;
  }

  // Forgets the letter by changes of the flight's.
  void remove(uint64_t sequence, Flight& flight) WM_REQUIRES(mutex_) {
    if (!forget(sequence)) return;
    change(space_, sequence, std::nullopt, flight);
    change(records_space_, sequence, std::nullopt, flight);
  }

  void change(size_t space, uint64_t sequence, std::optional<std::string> value, Flight& flight) {
    std::string key = key_of(sequence);
    state_.write(space, key, value ? std::optional<std::string_view>(*value) : std::nullopt,
                 flight.sequence());
    flight.changes.push_back({space, std::move(key), !value, std::move(value).value_or("")});
  }

  // The only clock is accepted_at: the same records give the same changes.
  bool oldest_is_due(const Flight& flight) const WM_REQUIRES(mutex_) {
    if (kept_.empty()) return false;
    return kept_.size() > limits_.documents_max || bytes_ > limits_.bytes_max ||
           (limits_.age_max_ms > 0 && kept_.begin()->second.accepted_at_us <
                                          flight.accepted_at_us - limits_.age_max_ms * 1000);
  }

  Result<std::optional<std::string>> get(size_t space, uint64_t sequence) const {
    const std::string key = key_of(sequence);
    const std::string_view view = key;
    std::vector<std::optional<std::string>> values;
    WM_TRY(state_.get_many(space, {&view, 1}, values));
    return std::move(values.front());
  }

  // Constant after construction.
  StateStore& state_;
  const DeadLetterLimits limits_;
  const size_t space_, records_space_;

  mutable Mutex mutex_;
  std::map<uint64_t, Kept> kept_ WM_GUARDED_BY(mutex_);
  uint64_t bytes_ WM_GUARDED_BY(mutex_) = 0;
};

Result<std::unique_ptr<DeadLetters>> DeadLetters::load(StateStore& state, DeadLetterLimits limits) {
  auto impl = std::make_unique<Impl>(state, limits);
  WM_TRY(impl->load());
  return std::unique_ptr<DeadLetters>(new DeadLetters(std::move(impl)));
}

DeadLetters::DeadLetters(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeadLetters::~DeadLetters() = default;
void DeadLetters::note(Flight& flight) { impl_->note(flight); }
std::vector<DeadLetters::Letter> DeadLetters::list(const Filter& filter, uint64_t from_sequence,
                                                   size_t letters_max) const {
  return impl_->list(filter, from_sequence, letters_max);
}
std::optional<DeadLetters::Letter> DeadLetters::find(uint64_t sequence) const {
  return impl_->find(sequence);
}
Result<std::string> DeadLetters::intake_record(uint64_t sequence) const {
  return impl_->intake_record(sequence);
}
DeadLetters::Totals DeadLetters::totals() const { return impl_->totals(); }
Result<size_t> DeadLetters::discard(const std::vector<uint64_t>& sequences) {
  return impl_->discard(sequences);
}

}  // namespace wiremill
