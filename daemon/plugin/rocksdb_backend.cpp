// Committed state in RocksDB: a column family per space, and in the default one the sequence up to
// which they are complete. The sequence enters in the same write batch as the changes and all
// column families are flushed together (atomic_flush), so what a crash leaves is the state at
// exactly that sequence, although there is no write-ahead log. Memtables are flushed by checkpoint()
// alone: RocksDB is told that they never fill, and StateStore asks for a checkpoint when they do.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "daemon/base/logging.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_backend.hpp"

namespace wiremill {
namespace {

constexpr char kSequenceKey[] = "sequence";    // in the default column family, as decimal digits
constexpr char kSpacePrefix[] = "space/";      // keeps names of spaces and "default" apart
constexpr size_t kMemtableBytes = 8ULL << 30;  // beyond all that is ever in memory
constexpr size_t kArenaBlocks = 128;           // that fill the memory of all memtables
constexpr size_t kBlockCacheBytes = 128 << 20;
constexpr uint64_t kBytesPerSync = 512 << 10;
constexpr int kFlushTries = 3;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

tl::unexpected<Error> failed(std::string_view did, const rocksdb::Status& status) {
  const bool damaged =
      status.IsCorruption() || status.IsInvalidArgument() || status.IsNotSupported();
  const ErrorCode code = status.IsNoSpace() ? ErrorCode::NoSpace
                         : damaged          ? ErrorCode::Damaged
                                            : ErrorCode::Io;
  return fail(code, "{}: {}", did, status.ToString());
}

// RocksDB's own log, in the daemon's. Not in a file beside the data: on a full disk RocksDB aborts the
// process where that file cannot be written (7.8, as Debian builds it).
class RocksdbLog : public rocksdb::Logger {
 public:
  RocksdbLog() : Logger(rocksdb::WARN_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[512];
    const int size = vsnprintf(line, sizeof line, format, arguments);
    if (size > 0)
      log_debug("rocksdb: {}", std::string_view(line, std::min<size_t>(static_cast<size_t>(size),
                                                                       sizeof line - 1)));
  }
};

// Left to itself RocksDB goes on after a full disk when its own thread sees tens of MiB free, looking
// every five seconds, and refuses to be told. Where it cannot ask for the free space, it waits to be
// told, which the committing thread does.
class TimelyEnv : public rocksdb::EnvWrapper {
 public:
  TimelyEnv() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "TimelyEnv"; }
  rocksdb::Status GetFreeSpace(const std::string&, uint64_t*) override {
    return rocksdb::Status::NotSupported("it is not asked for");
  }
};

// What went wrong in RocksDB's own threads since it was last asked.
class Troubles : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    const MutexLock lock(mutex_);
    newest_ = *status;
  }
  rocksdb::Status take() {
    const MutexLock lock(mutex_);
    return std::exchange(newest_, rocksdb::Status());
  }

 private:
  Mutex mutex_;
  rocksdb::Status newest_ WM_GUARDED_BY(mutex_);
};

rocksdb::DBOptions database_options(const StateStoreOptions& wanted) {
  static TimelyEnv env;
  rocksdb::DBOptions options;
  options.env = wanted.env != nullptr ? wanted.env : &env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.max_background_jobs = 2;
  // Flushes and compaction give way as the line does, whose changes they tidy; and they write as they
  // go: a whole file at once would have the logs' syncs wait for it.
  for (const auto pool : {rocksdb::Env::HIGH, rocksdb::Env::LOW})
    (void)options.env->LowerThreadPoolCPUPriority(pool, rocksdb::CpuPriority::kLow);
  options.bytes_per_sync = kBytesPerSync;
  options.avoid_flush_during_shutdown = true;
  options.max_open_files = 512;
  options.info_log = std::make_shared<RocksdbLog>();
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions space_options(const std::shared_ptr<rocksdb::Cache>& cache,
                                           const StateStoreOptions& wanted) {
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_cache = cache;
  // In small parts: whole ones, megabytes each, drive each other and the data out of the cache.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kMemtableBytes;
  options.arena_block_size = wanted.memtables_bytes_max / kArenaBlocks;
  // A filter in front of the memtable, too, one arena block: most keys that a stage asks for are
  // nowhere.
  options.memtable_prefix_bloom_size_ratio =
      static_cast<double>(options.arena_block_size) / kMemtableBytes;
  options.memtable_whole_key_filtering = true;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  return options;
}

class RocksdbBackend : public StateBackend {
 public:
  explicit RocksdbBackend(const StateStoreOptions& wanted) : wanted_(wanted) {}
  ~RocksdbBackend() override {
    if (db_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : handles()) db_->DestroyColumnFamilyHandle(handle);
  }

  static Result<std::unique_ptr<StateBackend>> open(const std::string& directory,
                                                    const std::vector<std::string>& spaces,
                                                    const StateStoreOptions& wanted) {
    auto backend = std::make_unique<RocksdbBackend>(wanted);
    rocksdb::DBOptions options = database_options(wanted);
    options.listeners = {backend->troubles_};

    // A store opens only with all its column families; those that nobody asked for are kept.
    std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
    for (const std::string& space : spaces) names.push_back(kSpacePrefix + space);
    std::vector<std::string> existing;
    if (options.env->FileExists(directory + "/CURRENT").ok()) {
      const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(options, directory, &existing);
      if (!listed.ok()) return failed("state store " + directory, listed);
    }
    for (const std::string& name : existing)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);

    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names)
      families.emplace_back(name, space_options(backend->cache_, wanted));
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened = rocksdb::DB::Open(options, directory, families, &handles, &db);
    if (!opened.ok()) {
      const std::string message = opened.ToString();
      const bool locked = message.find("While lock file") != message.npos ||
                          message.find("lock hold by current process") != message.npos;
      if (locked)
        return fail(ErrorCode::Locked, "state store {} is held by another process", directory);
      return failed("state store " + directory, opened);
    }
    backend->db_.reset(db);
    backend->keep(handles, spaces.size());
    WM_TRY(backend->read_sequence());
    return backend;
  }

  Status add_space(const std::string& name) override {
    {
      const MutexLock lock(mutex_);
      const auto kept =
          std::ranges::find(others_, kSpacePrefix + name, &rocksdb::ColumnFamilyHandle::GetName);
      if (kept != others_.end()) {
        spaces_.push_back(*kept);
        others_.erase(kept);
        return {};
      }
    }
    rocksdb::ColumnFamilyHandle* made = nullptr;
    const rocksdb::Status status =
        db_->CreateColumnFamily(space_options(cache_, wanted_), kSpacePrefix + name, &made);
    if (!status.ok()) return failed("make space " + name, status);
    const MutexLock lock(mutex_);
    spaces_.push_back(made);
    return {};
  }

  uint64_t recovered_up_to() const override { return recovered_; }

  Status get_many(size_t space, std::span<const std::string_view> keys,
                  std::span<const size_t> positions,
                  std::vector<std::optional<std::string>>& values) const override {
    std::vector<rocksdb::Slice> slices;
    slices.reserve(positions.size());
    for (const size_t i : positions) slices.push_back(slice(keys[i]));
    std::vector<rocksdb::PinnableSlice> found(slices.size());
    std::vector<rocksdb::Status> statuses(slices.size());
    db_->MultiGet(rocksdb::ReadOptions(), family(space), slices.size(), slices.data(), found.data(),
                  statuses.data());
    for (size_t i = 0; i < slices.size(); ++i) {
      if (statuses[i].ok())
        values[positions[i]] = found[i].ToString();
      else if (statuses[i].IsNotFound())
        values[positions[i]].reset();
      else
        return failed("read state", statuses[i]);
    }
    return {};
  }

  Status scan(size_t space, std::string_view begin, std::string_view end,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    rocksdb::ReadOptions options;
    const rocksdb::Slice bound = slice(end);
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(options, family(space)));
    for (entry->Seek(slice(begin)); entry->Valid(); entry->Next())
      if (!visit(view(entry->key()), view(entry->value()))) return {};
    if (!entry->status().ok()) return failed("scan state", entry->status());
    return {};
  }

  Status apply(std::span<const StateChangeToApply> changes, uint64_t sequence) override {
    WM_TRY(resume());
    rocksdb::WriteBatch batch;
    for (const StateChangeToApply& change : changes) {
      const rocksdb::Status status =
          *change.value ? batch.Put(family(change.space), change.key, **change.value)
                        : batch.Delete(family(change.space), change.key);
      if (!status.ok()) return failed("write state", status);
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    rocksdb::Status status =
        batch.Put(db_->DefaultColumnFamily(), kSequenceKey, std::to_string(sequence));
    if (status.ok()) status = db_->Write(options, &batch);
    return outcome("write state", status);
  }

  Status checkpoint() override {
    WM_TRY(resume());
    // The first flush after Resume() may answer OK and leave its memtables where they are (7.8).
    for (int tries = 0; tries < kFlushTries; ++tries) {
      WM_TRY(outcome("flush state", db_->Flush(rocksdb::FlushOptions(), handles())));
      if (is_flushed()) return {};
    }
    return fail(ErrorCode::Io, "flush state: RocksDB leaves it in memory");
  }

  Status begin_checkpoint() override {
    WM_TRY(resume());
    (void)troubles_->take();
    rocksdb::FlushOptions options;
    options.wait = false;
    return outcome("flush state", db_->Flush(options, handles()));
  }

  Result<bool> has_checkpointed() override {
    if (is_flushed()) return true;
    WM_TRY(outcome("flush state", troubles_->take()));
    return false;
  }

  size_t memory_bytes() const override {
    uint64_t bytes = 0;
    db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
    return bytes;
  }

 private:
  // What open() answered: default, the spaces named, then the others.
  void keep(const std::vector<rocksdb::ColumnFamilyHandle*>& opened, size_t spaces) {
    const MutexLock lock(mutex_);
    const auto others = opened.begin() + 1 + static_cast<ptrdiff_t>(spaces);
    default_ = opened.front();
    spaces_.assign(opened.begin() + 1, others);
    others_.assign(others, opened.end());
  }

  rocksdb::ColumnFamilyHandle* family(size_t space) const {
    const MutexLock lock(mutex_);
    return spaces_[space];
  }

  std::vector<rocksdb::ColumnFamilyHandle*> handles() const {
    const MutexLock lock(mutex_);
    std::vector<rocksdb::ColumnFamilyHandle*> all = {default_};
    all.insert(all.end(), spaces_.begin(), spaces_.end());
    all.insert(all.end(), others_.begin(), others_.end());
    return all;
  }

  bool is_flushed() const {
    uint64_t left = 0;
    db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kNumImmutableMemTable, &left);
    return left == 0;
  }

  Status outcome(std::string_view did, const rocksdb::Status& status) {
    stalled_ = status.IsNoSpace();
    if (!status.ok()) return failed(did, status);
    return {};
  }

  // After a write that found no space RocksDB refuses every other until it is told to go on.
  Status resume() {
    if (!stalled_) return {};
    return outcome("go on with the state store", db_->Resume());
  }

  Status read_sequence() {
    std::string digits;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), kSequenceKey, &digits);
    if (status.IsNotFound()) return {};
    if (!status.ok()) return failed("read state", status);
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, recovered_);
    if (error != std::errc{} || stop != end)
      return fail(ErrorCode::Damaged, "state store: its sequence is not a number");
    return {};
  }

  // Constant after open().
  const StateStoreOptions wanted_;
  const std::shared_ptr<rocksdb::Cache> cache_ = rocksdb::NewLRUCache(kBlockCacheBytes);
  const std::shared_ptr<Troubles> troubles_ = std::make_shared<Troubles>();
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_ = nullptr;
  uint64_t recovered_ = 0;

  bool stalled_ = false;  // the committing thread's

  mutable Mutex mutex_;
  std::vector<rocksdb::ColumnFamilyHandle*> spaces_ WM_GUARDED_BY(mutex_);
  std::vector<rocksdb::ColumnFamilyHandle*> others_ WM_GUARDED_BY(mutex_);  // nobody asked for them
};

}  // namespace

Result<std::unique_ptr<StateBackend>> open_rocksdb_backend(const std::string& directory,
                                                           const std::vector<std::string>& spaces,
                                                           const StateStoreOptions& options) {
  return RocksdbBackend::open(directory, spaces, options);
}

}  // namespace wiremill
