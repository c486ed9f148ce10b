// Decides whether a document that is in order enters the intake log, and appends it: the one place
// from which the log is written. Made by the intake; works on the io thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/thread.hpp"
#include "daemon/intake/content.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/intake/ledger.hpp"
#include "daemon/intake/replies.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

class Log;

// The id that a document without one is given.
std::string given_id(uint64_t sequence);

// A document that stands in the log, or stood there before.
struct Taken {
  uint64_t sequence = 0;
  bool repeat = false;
};

class Acceptor {
 public:
  // All outlive it.
  Acceptor(Log& log, Ledger& ledger, IntakeCounters& counters, const IntakeOptions& options);

  // Tells the ledger of a record that the log has above it, at a start, and answers what document it
  // holds; nullopt where the record cannot be read.
  std::optional<Content> restore(uint64_t sequence, const v1::IntakeRecord& record, bool is_new);

  // What a message of this type holds: a document, or why it is none that can be taken.
  tl::expected<Content, Refusal> judge(std::string_view message_type, std::string_view frame) const;
  // A document that is known already inside the idempotency window is a repeat and not stored.
  tl::expected<Taken, Refusal> take(const Content& content, std::string_view client,
                                    uint64_t session, uint64_t number);
  // See Intake::retry; answers the sequence that is not durable yet. A letter that was retried before
  // has that sequence: it stays until the retry has its result.
  Result<uint64_t> retry(uint64_t dead_sequence, const std::string& intake_record);

  // Looks whether log and ledger can be written; until the next look documents are refused where
  // one cannot. Answers why the log is read-only for good.
  std::optional<Error> look();

  // The newest sequence that was appended.
  uint64_t newest() const { return next_ - 1; }
  // The first sequence of the log's end that sessions want again at a start.
  uint64_t tail(uint64_t otherwise) const {
    return tail_.empty() ? otherwise : tail_.front().sequence;
  }
  Refusal retryable(v1::Nack::Code code, std::string message) const {
    return {code, std::move(message), retry_after_ms_, ""};
  }

  // Any thread.
  void stop() { stopping_ = true; }
  void hold(std::string why) WM_EXCLUDES(mutex_);

 private:
  std::optional<Refusal> why_not() const WM_EXCLUDES(mutex_);
  void remember(const Content& content, uint64_t sequence, bool is_retry);
  void mark_tail(uint64_t sequence, size_t bytes);
  void note_retry(uint64_t dead_sequence, uint64_t sequence);
  void count(size_t bytes);

  Log& log_;
  Ledger& ledger_;
  IntakeCounters& counters_;
  const size_t document_bytes_max_;
  const uint32_t retry_after_ms_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> held_{false};
  mutable Mutex mutex_;
  std::string why_held_ WM_GUARDED_BY(mutex_);

  // The io thread's own.
  uint64_t next_;          // the sequence of the next record
  int64_t newest_us_ = 0;  // accepted_at never goes back
  std::optional<Error> unwritable_;
  v1::IntakeRecord record_;  // being written, all but the document
  std::map<uint64_t, uint64_t>
      retried_;  // dead letter -> its retry; beyond kRetriedMax the oldest go
  struct Mark {
    uint64_t sequence, bytes;
  };
  std::deque<Mark> tail_;  // the log's end in steps, by bytes since the intake was opened
  uint64_t tail_bytes_ = 0;
};

}  // namespace wiremill
