// Where StateStore keeps what is committed: RocksDB, or memory for `wiremill run` and tests. Called
// only by StateStore; reads on any thread, apply and checkpoint on the committing thread.
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
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

// One change on its way from the overlay. The value is shared with it: nullopt removes.
using StateValue = std::shared_ptr<const std::optional<std::string>>;
struct StateChangeToApply {
  size_t space;
  std::string key;
  StateValue value;
};

class StateBackend {
 public:
  virtual ~StateBackend() = default;

  // Up to which sequence the store was complete when it was opened.
  virtual uint64_t recovered_up_to() const = 0;
  // The space after those that there are, new or kept from before. Any thread, one at a time.
  virtual Status add_space(const std::string& name) = 0;
  // Sets values[positions[i]] to the value of keys[positions[i]].
  virtual Status get_many(size_t space, std::span<const std::string_view> keys,
                          std::span<const size_t> positions,
                          std::vector<std::optional<std::string>>& values) const = 0;
  // Keys in [begin, end), ascending, until `visit` answers false; an empty `end` is no end. `visit`
  // may call the backend.
  virtual Status scan(
      size_t space, std::string_view begin, std::string_view end,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
  // All of `changes`, in their order, and the sequence, or nothing.
  virtual Status apply(std::span<const StateChangeToApply> changes, uint64_t sequence) = 0;
  // Everything applied is on disk when this returns, and nothing before one of these is called.
  virtual Status checkpoint() = 0;
  // Everything applied so far goes to disk from now on, and what is applied later does not.
  virtual Status begin_checkpoint() = 0;
  // Whether it is there, or why it will not be. Called until then, on the committing thread.
  virtual Result<bool> has_checkpointed() = 0;
  // Of what was applied since the last checkpoint, roughly.
  virtual size_t memory_bytes() const = 0;
};

Result<std::unique_ptr<StateBackend>> open_rocksdb_backend(const std::string& directory,
                                                           const std::vector<std::string>& spaces,
                                                           const StateStoreOptions& options);
std::unique_ptr<StateBackend> make_memory_backend(size_t spaces);

}  // namespace wiremill
