// What the intake must not forget over a restart: the ids of the documents it took, each with the
// sequence and the content hash of the latest, and how far every session had come. Used by the
// intake alone.
//
// Ids are looked up in memory (IdTable, which also says what that costs) and kept in a StateStore of
// the intake's own beside the intake log, many of them in one entry. Entries carry the newest
// sequence in them and are committed only when that is durable, so the ledger may be behind the
// intake log, never ahead; at a start the intake reads the records above recovered_up_to() and
// remembers them again. A start reads the whole store once.
//
// Spaces:
//   documents  first sequence, big-endian -> the documents of one hand-over that had an id, each
//              {hash128(id), content hash, sequence, accepted_at}; ascending
//   sessions   session, client            -> last settled number
//   meta       "format"                   -> of the above
//              "tail"                     -> sequence of the first record that sessions want again
//
// Threads: everything on the io thread but committing and checkpoints, which the thread "ledger"
// does behind it. Where those fail they are tried again each second; health() says so meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/hash.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/intake/id_table.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

class Log;
struct IntakeOptions;

struct LedgerOptions {
  std::string directory;
  int64_t window_ms = 24 * 3600 * 1000;  // how long an id is known
  uint64_t documents_max = 1'000'000;    // ids of so many documents are known, the newest
  int64_t checkpoint_interval_ms = 10'000;
  int64_t retry_interval_ms = 1'000;  // after a failed commit or checkpoint
  StateStoreOptions store;  // its before_checkpoint is called on the thread "ledger"
};

// As the intake wants its ledger: before anything of it is lasting `log`, the intake log, is synced. It
// outlives the ledger.
LedgerOptions ledger_options(const IntakeOptions& options, Log& log);

class Ledger {
 public:
  struct Known {
    uint64_t sequence = 0;
    Hash128 content;
    int64_t accepted_at_us = 0;
  };

  // Begun anew, with a warning: a ledger ahead of `durable` (the intake log lost its end: it was not
  // synced always) and one of another format. Errors: Io, Locked, Damaged, and Config where memory
  // does not suffice for documents_max.
  static Result<std::unique_ptr<Ledger>> open(const LedgerOptions& options, uint64_t durable);
  // Commits what was handed over, checkpoints, ends the thread.
  ~Ledger();

  uint64_t recovered_up_to() const { return recovered_up_to_; }
  // Where to begin reading the intake log at a start.
  uint64_t read_from() const;
  // Every session known when the ledger was opened.
  Status sessions(const std::function<void(std::string_view client, uint64_t session,
                                           uint64_t settled)>& visit) const;

  // The latest document with this id, where it is inside the window.
  std::optional<Known> find(const Hash128& id, int64_t now_us) const;
  // Sequences and times ascend.
  void remember(const Hash128& id, const Known& document);

  // How far a session had come when `durable` became durable; nullopt forgets it. `durable` never
  // descends.
  void set_session(std::string_view client, uint64_t session, std::optional<uint64_t> settled,
                   uint64_t durable);
  // Everything up to `durable` may become lasting; sessions read the log from `tail` again.
  void hand_over(uint64_t durable, uint64_t tail);

  // Intake records above this one are still needed at a start. Any thread.
  uint64_t needed_above() const { return needed_above_; }
  // Ok, or why nothing is committed at present (NoSpace, Io). Any thread.
  Status health() const WM_EXCLUDES(mutex_);

 private:
  Ledger(const LedgerOptions& options, std::unique_ptr<StateStore> store, bool is_new);
  Status load();
  void write_documents(uint64_t durable);
  void run() WM_EXCLUDES(mutex_);

  const LedgerOptions options_;
  const std::unique_ptr<StateStore> store_;
  const size_t documents_, sessions_, meta_;
  const uint64_t recovered_up_to_;

  // The io thread's own.
  IdTable ids_;
  uint64_t written_ = 0;  // entries of ids_ below this number are in the store's hands
  struct Group {
    uint64_t first_sequence;  // its key
    uint64_t end;             // number of the entry behind its last
  };
  std::deque<Group> groups_;  // in the store

  std::atomic<uint64_t> needed_above_;

  mutable Mutex mutex_;
  Condition condition_;
  uint64_t handed_over_ WM_GUARDED_BY(mutex_) = 0;
  uint64_t tail_ WM_GUARDED_BY(mutex_) = 0;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  Status health_ WM_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace wiremill
