// See cursor_store.hpp.
//
// What a failed write or sync left on disk is not known, and asking the same file again proves
// nothing. So the database is closed and, a second later at the earliest, opened anew: RocksDB
// then moves what its log still holds into a table of its own, and everything that is known here is
// written once more before the store answers for anything again.
#include "daemon/feed/cursor_store.hpp"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "daemon/base/fail_point.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kCursorPrefix = "cursor/";  // NAME -> "epoch sequence committed_at_us"
constexpr std::string_view kEpochPrefix = "epoch/";    // decimal -> its first sequence
constexpr size_t kNameBytesMax = 128;
constexpr size_t kPeersWaitingMax = 10'000;
constexpr size_t kMemtableBytes = 1 << 20;
constexpr std::chrono::seconds kRetry{1};

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kMemtableBytes;
  options.max_open_files = 32;
  options.compression = rocksdb::kNoCompression;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 2;
  options.max_manifest_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::WriteOptions synced() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

tl::unexpected<Error> failed(std::string_view did, const std::string& directory,
                             const rocksdb::Status& status) {
  const std::string message = status.ToString();
  if (message.find("While lock file") != message.npos ||
      message.find("lock hold by current process") != message.npos)
    return fail(ErrorCode::Locked, "cursor store {} is held by another process", directory);
  if (status.IsCorruption() || status.IsInvalidArgument() || status.IsNotSupported())
    return fail(ErrorCode::Damaged,
                "{} {}: {}; without the folder the daemon begins with no cursors", did, directory,
                message);
  const bool no_space = status.subcode() == rocksdb::Status::SubCode::kNoSpace;
  return fail(no_space ? ErrorCode::NoSpace : ErrorCode::Io, "{} {}: {}", did, directory, message);
}

std::string key_of(std::string_view prefix, std::string_view name) {
  return std::string(prefix).append(name);
}

// Numbers with one blank between them, and nothing else.
template <class... Numbers>
bool read_numbers(std::string_view text, Numbers&... numbers) {
  const char* at = text.data();
  const char* const end = at + text.size();
  size_t count = 0;
  const auto read = [&](auto& number) {
    if (count++ > 0 && (at == end || *at++ != ' ')) return false;
    const auto [stop, error] = std::from_chars(at, end, number);
    at = stop;
    return error == std::errc{};
  };
  return (read(numbers) && ...) && at == end;
}

}  // namespace

bool is_cursor_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

// ---- At the start

Result<std::unique_ptr<CursorStore>> CursorStore::open(const std::string& directory,
                                                       size_t cursors_max,
                                                       std::function<void()> settled) {
  std::unique_ptr<CursorStore> store(new CursorStore(directory, cursors_max, std::move(settled)));
  WM_TRY(store->open_database());
  WM_TRY(store->load());
  store->thread_ = std::thread([raw = store.get()] { raw->run(); });
  return store;
}

CursorStore::CursorStore(std::string directory, size_t cursors_max, std::function<void()> settled)
    : directory_(std::move(directory)), cursors_max_(cursors_max), settled_(std::move(settled)) {}

CursorStore::~CursorStore() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  condition_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status CursorStore::open_database() {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(database_options(), directory_, &db);
  if (!opened.ok()) return failed("open cursor store", directory_, opened);
  db_.reset(db);
  return {};
}

Status CursorStore::load() {
  MutexLock lock(mutex_);
  const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(rocksdb::ReadOptions()));
  for (entry->SeekToFirst(); entry->Valid(); entry->Next()) {
    const std::string key = entry->key().ToString();
    const std::string value = entry->value().ToString();
    CursorPlace place;
    uint64_t epoch = 0, first = 0;
    if (key.starts_with(kCursorPrefix) &&
        read_numbers(value, place.epoch, place.sequence, place.committed_at_us)) {
      stored_[key.substr(kCursorPrefix.size())] = place;
    } else if (key.starts_with(kEpochPrefix) &&
               read_numbers(std::string_view(key).substr(kEpochPrefix.size()), epoch) &&
               read_numbers(value, first)) {
      epochs_[epoch] = first;
    } else {
      return fail(ErrorCode::Damaged,
                  "cursor store {}: the entry \"{}\" cannot be read; without the folder the daemon "
                  "begins with no cursors",
                  directory_, key);
    }
  }
  if (!entry->status().ok()) return failed("read cursor store", directory_, entry->status());
  return {};
}

// An epoch that began at or behind the new one's first sequence says nothing that the new one does
// not say, and one of a higher number belongs to a log that was replaced.
Status CursorStore::begin_epoch(uint64_t epoch, uint64_t first) {
  if (const auto known = epochs_.find(epoch);
      known != epochs_.end() && known->second == first && std::next(known) == epochs_.end())
    return {};
  rocksdb::WriteBatch batch;
  for (auto each = epochs_.begin(); each != epochs_.end();) {
    if (each->first < epoch && each->second < first) {
      ++each;
      continue;
    }
    batch.Delete(key_of(kEpochPrefix, std::to_string(each->first)));
    each = epochs_.erase(each);
  }
  batch.Put(key_of(kEpochPrefix, std::to_string(epoch)), std::to_string(first));
  epochs_[epoch] = first;
  const rocksdb::Status written = db_->Write(synced(), &batch);
  if (!written.ok()) return failed("write cursor store", directory_, written);
  return {};
}

uint64_t CursorStore::changed_from(uint64_t epoch) const {
  const auto next = epochs_.upper_bound(epoch);
  return next == epochs_.end() ? std::numeric_limits<uint64_t>::max() : next->second;
}

// ---- Asked by others

std::optional<CursorPlace> CursorStore::newest(const std::string& name) const {
  for (const Places* places : {&waiting_, &writing_})
    if (const auto found = places->find(name); found != places->end()) return found->second;
  if (const auto found = stored_.find(name); found != stored_.end()) return found->second;
  return std::nullopt;
}

Status CursorStore::check_room(const std::string& name) const {
  if (newest(name)) return {};
  size_t count = stored_.size();
  for (const Places* places : {&waiting_, &writing_})
    count += std::count_if(places->begin(), places->end(),
                           [&](const auto& each) { return !stored_.contains(each.first); });
  if (count < cursors_max_) return {};
  return fail(ErrorCode::TooLarge, "{} cursors are allowed; remove one that is not used any more",
              cursors_max_);
}

std::optional<CursorPlace> CursorStore::find(const std::string& name) const {
  MutexLock lock(mutex_);
  return newest(name);
}

std::map<std::string, CursorPlace> CursorStore::all() const {
  MutexLock lock(mutex_);
  return stored_;
}

Status CursorStore::has_room_for(const std::string& name) const {
  MutexLock lock(mutex_);
  return check_room(name);
}

Status CursorStore::commit(const std::string& name, const CursorPlace& place,
                           const std::string& peer) {
  MutexLock lock(mutex_);
  WM_TRY(check_room(name));
  std::vector<std::string>& peers = askers_[name].peers;
  if (std::find(peers.begin(), peers.end(), peer) == peers.end()) {
    if (peers_waiting_ >= kPeersWaitingMax)
      return fail(ErrorCode::Busy, "{} commits wait for the disk; try again", peers_waiting_);
    ++peers_waiting_;
    peers.push_back(peer);
  }
  waiting_[name] = place;
  condition_.notify_one();
  return {};
}

std::vector<CursorStore::Outcome> CursorStore::take_outcomes() {
  MutexLock lock(mutex_);
  return std::exchange(outcomes_, {});
}

Status CursorStore::set(const std::string& name, const CursorPlace& place) {
  return change_and_wait(name, place);
}

Status CursorStore::remove(const std::string& name) { return change_and_wait(name, std::nullopt); }

Status CursorStore::change_and_wait(const std::string& name, std::optional<CursorPlace> place) {
  std::future<Status> done;
  {
    MutexLock lock(mutex_);
    if (place) WM_TRY(check_room(name));
    if (!place && !newest(name)) return fail(ErrorCode::NotFound, "no cursor is named {}", name);
    std::vector<std::promise<Status>>& callers = askers_[name].callers;
    done = callers.emplace_back().get_future();
    waiting_[name] = place;
  }
  condition_.notify_one();
  return done.get();
}

// ---- The thread "cursors"

void CursorStore::run() {
  set_thread_name("cursors");
  for (;;) {
    Places changes;
    std::map<std::string, Askers> askers;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) condition_.wait(mutex_);
      if (waiting_.empty()) return;
      changes = writing_ = std::exchange(waiting_, {});
      askers = std::exchange(askers_, {});
    }
    const Status written = write(changes);
    settle(changes, std::move(askers), written);
    settled_();
  }
}

void CursorStore::settle(const Places& changes, std::map<std::string, Askers> askers,
                         const Status& status) {
  MutexLock lock(mutex_);
  writing_.clear();
  for (const auto& [name, place] : changes) {
    if (status) {
      if (place)
        stored_[name] = *place;
      else
        stored_.erase(name);
    }
    Askers& who = askers[name];
    peers_waiting_ -= who.peers.size();
    if (!who.peers.empty())
      outcomes_.push_back({name, place.value_or(CursorPlace{}), status, std::move(who.peers)});
    for (std::promise<Status>& caller : who.callers) caller.set_value(status);
  }
}

Status CursorStore::write(const Places& changes) {
  if (!db_ && Clock::now() < retry_at_) return tl::unexpected(failure_);
  const auto give_up = [&](Error error) {
    db_.reset();
    failure_ = std::move(error);
    retry_at_ = Clock::now() + kRetry;
    return tl::unexpected(failure_);
  };
  if (!db_)
    if (const Status opened = reopen(); !opened) return give_up(opened.error());
  rocksdb::WriteBatch batch;
  for (const auto& [name, place] : changes) {
    if (place)
      batch.Put(key_of(kCursorPrefix, name),
                fmt::format("{} {} {}", place->epoch, place->sequence, place->committed_at_us));
    else
      batch.Delete(key_of(kCursorPrefix, name));
  }
  fail_point("cursor.commit.before");
  const rocksdb::Status written = db_->Write(synced(), &batch);
  if (!written.ok()) return give_up(failed("write cursor store", directory_, written).value());
  fail_point("cursor.commit.after");
  return {};
}

// Opens the database after a failure and makes it hold what was known to be stored, no more.
Status CursorStore::reopen() {
  WM_TRY(open_database());
  rocksdb::WriteBatch batch;
  const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(rocksdb::ReadOptions()));
  for (entry->SeekToFirst(); entry->Valid(); entry->Next()) batch.Delete(entry->key());
  if (!entry->status().ok()) return failed("read cursor store", directory_, entry->status());
  for (const auto& [name, place] : all())
    batch.Put(key_of(kCursorPrefix, name),
              fmt::format("{} {} {}", place.epoch, place.sequence, place.committed_at_us));
  for (const auto& [epoch, first] : epochs_)
    batch.Put(key_of(kEpochPrefix, std::to_string(epoch)), std::to_string(first));
  const rocksdb::Status written = db_->Write(synced(), &batch);
  if (!written.ok()) return failed("write cursor store", directory_, written);
  return {};
}

}  // namespace wiremill
