// Keyed state behind the result log. Each stage (and each room of the daemon that keeps state of
// its own) has a key space by name. A change lives in the overlay from the moment it is made, is
// recorded beside the document's result in the result log, and enters RocksDB only when that result
// is durable, together with its sequence and atomically over all key spaces. RocksDB may therefore
// be behind the log, never ahead; on disk neither, since nothing goes there before
// StateStoreOptions::before_checkpoint has seen to the log.
//
//   write(space, key, value, sequence)   settle, documents in ascending sequence   -> overlay
//   commit(sequence)                     the result log reported it durable        -> RocksDB
//   begin_checkpoint(), checkpoint()     from time to time                         -> on disk
//   recovered_up_to()                    at start: replay() the log's records above it, then go on
//
// RocksDB runs without a write-ahead log: the result log is one. What is on disk after a crash is
// the state at exactly recovered_up_to(), in all spaces together. Memory: memtables to 128 MiB,
// block cache 128 MiB, and the overlay, which the caller bounds by committing.
//
// Threads: get, scan, write, drop_above and add_space on any thread, with one writer per space at a
// time (the ordered point); all from commit to amend, but for committed(), on one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"

namespace rocksdb {
class Env;
}

namespace wiremill {

struct StateStoreOptions {
  size_t memtables_bytes_max = 128 << 20;  // of all spaces together; beyond it a commit checkpoints
  // Called before anything committed goes to disk, on the committing thread: what it was committed
  // for is on disk when this returns. After an error nothing is written. Empty: nothing to do.
  std::function<Status()> before_checkpoint{};
  rocksdb::Env* env = nullptr;  // where not the kernel's files, which tests replace
};

class StateStore {
 public:
  // Opens or makes the store in `directory` with the key spaces named (others that exist are kept
  // untouched). An empty directory name keeps everything in memory, for `wiremill run` and tests.
  // Errors: Io, Locked, Damaged.
  static Result<std::unique_ptr<StateStore>> open(const std::string& directory,
                                                  const std::vector<std::string>& spaces,
                                                  const StateStoreOptions& options = {});
  ~StateStore();

  // Everything up to here is in RocksDB, on disk; 0 for a new store. The caller applies what the
  // log recorded above it by replay() before anything else.
  uint64_t recovered_up_to() const;

  // Opens or makes one more space and answers its index; of a space that is open already only that.
  // Any thread, while all else goes on. Errors: Io, NoSpace, TooLarge (1024 spaces).
  Result<size_t> add_space(const std::string& name);

  // The index of an open space: its place in the list given to open(), or what add_space answered.
  size_t space(std::string_view name) const;
  std::optional<size_t> find_space(std::string_view name) const;  // nullopt: it is not open
  std::string space_name(size_t space) const;

  // `values[i]` is nullopt where the key is absent. Sees the overlay.
  Status get_many(size_t space, std::span<const std::string_view> keys,
                  std::vector<std::optional<std::string>>& values) const;
  // Keys that begin with `prefix` and are >= `from`, ascending, overlay included, until `visit`
  // answers false. `visit` may call the store. Changes made meanwhile may be seen or not.
  Status scan(size_t space, std::string_view prefix, std::string_view from,
              const std::function<bool(std::string_view key, std::string_view value)>& visit) const;

  // nullopt removes. Sequences never descend within a space.
  void write(size_t space, std::string_view key, std::optional<std::string_view> value,
             uint64_t sequence);
  // Forgets every overlay change of this space above `sequence` (a stage host died in settle); what
  // was there before shows again. `sequence` is not below the last commit's.
  void drop_above(size_t space, uint64_t sequence);

  // Every change up to `sequence` may become lasting; the caller has made them all. Writes a
  // checkpoint where memory is full. After an error nothing is lost, and the next commit tries again.
  // Errors: Io, NoSpace (the next try may succeed), and what before_checkpoint answers.
  Status commit(uint64_t sequence);
  // Writes what is committed to disk and answers up to which sequence. Errors: as commit.
  Result<uint64_t> checkpoint();
  // Begins to write what is committed to disk, while commits go on; checkpointed() says how far it
  // is. Does nothing while it is still at it. Errors: as commit.
  Status begin_checkpoint();
  bool is_checkpointing() const;
  // Up to which sequence all is on disk. Errors: why what was begun will not be there; it is then
  // as if it had not begun.
  Result<uint64_t> checkpointed();
  // Up to which sequence changes are committed. Any thread.
  uint64_t committed() const;
  // Keys and values committed since the last checkpoint began.
  uint64_t bytes_since_checkpoint() const;

  // A change that does not pass the overlay.
  struct Change {
    size_t space = 0;
    std::string key;
    std::optional<std::string> value;  // nullopt removes
  };
  // At start: what results up to `sequence` recorded, in their order, all or none. Errors: as
  // commit.
  Status replay(std::vector<Change> changes, uint64_t sequence);
  // What no result stands for, an operator's doing: applied to what is committed, all or none. What
  // the overlay holds of the same keys stays on top. Errors: as commit.
  Status amend(std::vector<Change> changes);

  // Changes that are not yet committed, in all spaces. Any thread.
  size_t overlay_entries() const;

 private:
  class Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
