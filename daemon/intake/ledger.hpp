// What the intake must not forget over a restart: the ids of the documents it took, each with the
// sequence and the content hash of the latest, and how far every session had come. Used by the
// intake alone.
//
// It is a StateStore of the intake's own beside the intake log. Entries carry the sequence of the
// document that made them and are committed only when that is durable, so the ledger may be behind
// the intake log, never ahead; at a start the intake reads the records above recovered_up_to() and
// remembers them again.
//
// Spaces:
//   ids       hash128(id)                -> sequence, content hash, accepted_at
//   order     sequence, big-endian       -> hash128(id), accepted_at   (what to forget first)
//   sessions  session, client            -> last settled number
//   meta      "tail"                     -> sequence of the first record that sessions want again
//
// Threads: everything on the io thread but committing and checkpoints, which the thread "ledger"
// does behind it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/hash.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

struct LedgerOptions {
  std::string directory;
  int64_t window_ms = 24 * 3600 * 1000;  // how long an id is known
  uint64_t documents_max = 2'000'000;    // only ids of the newest so many documents are known
  int64_t checkpoint_interval_ms = 10'000;
};

class Ledger {
 public:
  struct Known {
    uint64_t sequence = 0;
    Hash128 content;
    int64_t accepted_at_us = 0;
  };

  // A ledger ahead of `durable` (the intake log lost its end: it was not synced always) is begun
  // anew. Errors: Io, Locked, Damaged.
  static Result<std::unique_ptr<Ledger>> open(const LedgerOptions& options, uint64_t durable);
  // Commits what was handed over, checkpoints, ends the thread.
  ~Ledger();

  uint64_t recovered_up_to() const { return recovered_up_to_; }
  // Where to begin reading the intake log at a start.
  uint64_t read_from() const;
  // Every session known when the ledger was opened.
  Status sessions(const std::function<void(std::string_view client, uint64_t session,
                                           uint64_t settled)>& visit) const;

  // The latest document with this id, where it is inside the window. Errors: Io.
  Result<std::optional<Known>> find(std::string_view id, int64_t now_us) const;
  // Sequences ascend. Forgets a few of the oldest ids that are due. Errors: Io.
  Status remember(std::string_view id, const Known& document);

  // How far a session had come when `durable` became durable; nullopt forgets it. `durable` never
  // descends.
  void set_session(std::string_view client, uint64_t session, std::optional<uint64_t> settled,
                   uint64_t durable);
  // Everything up to `durable` may become lasting; sessions read the log from `tail` again.
  void hand_over(uint64_t durable, uint64_t tail);

  // Intake records above this one are still needed at a start. Any thread.
  uint64_t needed_above() const { return needed_above_; }
  // Ok, or why nothing is committed any more. Any thread.
  Status health() const WM_EXCLUDES(mutex_);

 private:
  Ledger(const LedgerOptions& options, std::unique_ptr<StateStore> store);
  bool is_due(uint64_t sequence, int64_t accepted_at_us, uint64_t newest, int64_t now_us) const;
  Status forget_old(uint64_t sequence, int64_t now_us);
  void run() WM_EXCLUDES(mutex_);
  void fail_with(Error error) WM_EXCLUDES(mutex_);

  const LedgerOptions options_;
  const std::unique_ptr<StateStore> store_;
  const size_t ids_, order_, sessions_, meta_;
  const uint64_t recovered_up_to_;

  // The io thread's own.
  std::string oldest_;         // `order` is empty below this key
  uint32_t until_forget_ = 0;  // documents until the next look
  // Whose id is forgotten next: a look before that one is due would find nothing. Zeros: look.
  uint64_t next_due_sequence_ = 0;
  int64_t next_due_accepted_at_us_ = 0;

  std::atomic<uint64_t> needed_above_;

  mutable Mutex mutex_;
  Condition condition_;
  uint64_t handed_over_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t tail_ WM_GUARDED_BY(mutex_) = 0;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_ WM_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace wiremill
