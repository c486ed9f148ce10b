// Dead letters: what a stage could not take, kept with its submitted bytes so that it can be looked
// at and tried again. They are state like any other: added and removed by changes recorded beside
// results, in the store's spaces "dead" (what happened: v1::DeadLetter) and "dead_records" (the
// IntakeRecord), both under the big-endian sequence, and so always as old as the result log.
//
// A letter leaves when a retry of it has a result (a retry that dies is a letter of its own), when a
// document accepted more than age_max_ms after it has one, when there are more than the limits allow
// (the oldest first), or when an operator discards it. A document whose record in the intake log was
// damaged has a letter without a record: `bytes` is 0, and it cannot be tried again.
//
// Threads: note() inside the emission's ordered point; discard() on the thread "state"; the rest on
// any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

struct DeadLetterLimits {
  int64_t age_max_ms = 0;  // 0: no limit
  uint64_t documents_max = 100'000;
  uint64_t bytes_max = 1 << 30;
};

class DeadLetters {
 public:
  static constexpr const char* kSpace = "dead";
  static constexpr const char* kRecordsSpace = "dead_records";

  // Reads what the store holds, without the records. Errors: Io, Damaged. `state` outlives it.
  static Result<std::unique_ptr<DeadLetters>> load(StateStore& state, DeadLetterLimits limits);
  ~DeadLetters();

  // The flight's outcome is final: adds to its changes what that does to the letters. May take the
  // flight's record.
  void note(Flight& flight);

  struct Letter {
    uint64_t sequence = 0;
    std::string id, source, stage, code, message;
    uint32_t attempts = 0;
    int64_t accepted_at_us = 0;
    uint64_t bytes = 0;
  };
  struct Filter {
    std::string stage{}, code{};                // empty: any
    int64_t from_us = 0, until_us = INT64_MAX;  // accepted_at in [from, until)
  };
  // Ascending by sequence, at most `letters_max`, beginning at `from_sequence`.
  std::vector<Letter> list(const Filter& filter, uint64_t from_sequence, size_t letters_max) const;
  std::optional<Letter> find(uint64_t sequence) const;
  // The serialised IntakeRecord. Errors: NotFound, Busy (its result is not durable yet), Io.
  Result<std::string> intake_record(uint64_t sequence) const;
  struct Totals {
    uint64_t documents = 0, bytes = 0;
  };
  Totals totals() const;

  // Forgets letters for good; lasting once StateStore::checkpoint() has returned (Committer::run
  // sees to both). Answers how many there were; one whose own result is not committed yet stays.
  // Only a store that is rebuilt from the whole result log brings them back. Errors: Io, NoSpace.
  Result<size_t> discard(const std::vector<uint64_t>& sequences);

 private:
  class Impl;
  explicit DeadLetters(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
