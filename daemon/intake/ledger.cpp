// See ledger.hpp.
#include "daemon/intake/ledger.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <new>
#include <vector>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/logging.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kFormatKey = "format", kTailKey = "tail";
constexpr std::string_view kFormat = "2";
constexpr size_t kEntryBytes = 48;
constexpr size_t kGroupEntries = 8192;
// With each document that comes; so forgetting overtakes remembering.
constexpr int kForgetAtOnce = 2;

void append_u64(std::string& out, uint64_t value) {  // big-endian: keys sort by value
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

uint64_t read_u64(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::string u64_key(uint64_t value) {
  std::string key;
  append_u64(key, value);
  return key;
}

void append_entry(std::string& out, const IdTable::Entry& entry) {
  for (const uint64_t value : {entry.id_high, entry.id_low, entry.content_high, entry.content_low,
                               entry.sequence, static_cast<uint64_t>(entry.accepted_at_us)})
    append_u64(out, value);
}

IdTable::Entry read_entry(std::string_view bytes, size_t at) {
  return {.id_low = read_u64(bytes, at + 8),
          .id_high = read_u64(bytes, at),
          .content_low = read_u64(bytes, at + 24),
          .content_high = read_u64(bytes, at + 16),
          .sequence = read_u64(bytes, at + 32),
          .accepted_at_us = static_cast<int64_t>(read_u64(bytes, at + 40))};
}

std::optional<std::string> read_meta(const StateStore& store, std::string_view key) {
  const std::array<std::string_view, 1> keys{key};
  std::vector<std::optional<std::string>> values;
  if (!store.get_many(store.space("meta"), keys, values)) return std::nullopt;
  return values[0];
}

// Why a ledger cannot be used as it is; empty where it can.
std::string why_anew(const StateStore& store, uint64_t durable) {
  const uint64_t recovered = store.recovered_up_to();
  if (recovered > durable)
    return fmt::format("it knows documents up to {}, the intake log ends at {}", recovered,
                       durable);
  if (recovered > 0 && read_meta(store, kFormatKey) != kFormat) return "it has another format";
  return "";
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const LedgerOptions& options, uint64_t durable) {
  const std::vector<std::string> spaces{"documents", "sessions", "meta"};
  StateStoreOptions store_options;
  store_options.before_checkpoint = options.before_checkpoint;
  auto store = StateStore::open(options.directory, spaces, store_options);
  if (store) {
    if (const std::string why = why_anew(**store, durable); !why.empty()) {
      log_warning("the ledger {} is begun anew, documents sent before are not known as repeats: {}",
                  options.directory, why);
      store->reset();
      std::error_code error;
      std::filesystem::remove_all(options.directory, error);
      if (error)
        return fail(ErrorCode::Io, "cannot remove {}: {}", options.directory, error.message());
      store = StateStore::open(options.directory, spaces, store_options);
    }
  }
  if (!store) return tl::unexpected<Error>(store.error());
  try {
    const bool is_new = (*store)->recovered_up_to() == 0;
    auto ledger = std::unique_ptr<Ledger>(new Ledger(options, std::move(*store), is_new));
    WM_TRY(ledger->load());
    ledger->thread_ = std::thread([raw = ledger.get()] { raw->run(); });
    return ledger;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::Config, "no memory for the ids of {} documents", options.documents_max);
  }
}

Ledger::Ledger(const LedgerOptions& options, std::unique_ptr<StateStore> store, bool is_new)
    : options_(options),
      store_(std::move(store)),
      documents_(store_->space("documents")),
      sessions_(store_->space("sessions")),
      meta_(store_->space("meta")),
      recovered_up_to_(store_->recovered_up_to()),
      ids_(options.documents_max),
      needed_above_(0) {
  if (is_new) store_->write(meta_, kFormatKey, kFormat, 0);
}

Ledger::~Ledger() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  condition_.notify_one();
  thread_.join();
}

// Ids out of the window and beyond documents_max go the way of all others, and their groups with
// them at the first hand-over.
Status Ledger::load() {
  Status damage;
  WM_TRY(store_->scan(documents_, "", "", [&](std::string_view key, std::string_view value) {
    if (key.size() != 8 || value.empty() || value.size() % kEntryBytes != 0) {
      damage = fail(ErrorCode::Damaged,
                    "the ledger {} holds an entry that is none; without the folder it is begun "
                    "anew, and documents sent before are not known as repeats",
                    options_.directory);
      return false;
    }
    for (size_t at = 0; at < value.size(); at += kEntryBytes) ids_.add(read_entry(value, at));
    groups_.push_back({read_u64(key, 0), ids_.end()});
    return true;
  }));
  written_ = ids_.end();
  return damage;
}

uint64_t Ledger::read_from() const {
  const uint64_t next = recovered_up_to_ + 1;
  const std::optional<std::string> tail = read_meta(*store_, kTailKey);
  return tail && tail->size() == 8 ? std::min(next, read_u64(*tail, 0)) : next;
}

Status Ledger::sessions(const std::function<void(std::string_view client, uint64_t session,
                                                 uint64_t settled)>& visit) const {
  return store_->scan(sessions_, "", "", [&](std::string_view key, std::string_view value) {
    if (key.size() >= 8 && value.size() == 8)
      visit(key.substr(8), read_u64(key, 0), read_u64(value, 0));
    return true;
  });
}

std::optional<Ledger::Known> Ledger::find(const Hash128& id, int64_t now_us) const {
  const IdTable::Entry* entry = ids_.find(id);
  if (entry == nullptr || entry->accepted_at_us < now_us - options_.window_ms * 1000)
    return std::nullopt;
  return Known{entry->sequence, entry->content(), entry->accepted_at_us};
}

void Ledger::remember(const Hash128& id, const Known& document) {
  const int64_t oldest_us = document.accepted_at_us - options_.window_ms * 1000;
  for (int i = 0; i < kForgetAtOnce && ids_.begin() < ids_.end() &&
                  ids_.at(ids_.begin()).accepted_at_us < oldest_us;
       ++i)
    ids_.forget_oldest();
  ids_.add({.id_low = id.low,
            .id_high = id.high,
            .content_low = document.content.low,
            .content_high = document.content.high,
            .sequence = document.sequence,
            .accepted_at_us = document.accepted_at_us});
}

void Ledger::set_session(std::string_view client, uint64_t session, std::optional<uint64_t> settled,
                         uint64_t durable) {
  const std::string key = u64_key(session).append(client);
  if (settled)
    store_->write(sessions_, key, u64_key(*settled), durable);
  else
    store_->write(sessions_, key, std::nullopt, durable);
}

void Ledger::hand_over(uint64_t durable, uint64_t tail) {
  {
    const MutexLock lock(mutex_);
    if (durable == handed_over_) return;
  }
  write_documents(durable);
  store_->write(meta_, kTailKey, u64_key(tail), durable);
  {
    const MutexLock lock(mutex_);
    handed_over_ = durable;
    tail_ = tail;
  }
  condition_.notify_one();
}

void Ledger::write_documents(uint64_t durable) {
  std::string group;
  written_ = std::max(written_, ids_.begin());  // what was forgotten meanwhile
  while (written_ < ids_.end() && ids_.at(written_).sequence <= durable) {
    const uint64_t first_sequence = ids_.at(written_).sequence;
    group.clear();
    for (size_t count = 0;
         count < kGroupEntries && written_ < ids_.end() && ids_.at(written_).sequence <= durable;
         ++count)
      append_entry(group, ids_.at(written_++));
    store_->write(documents_, u64_key(first_sequence), group, durable);
    groups_.push_back({first_sequence, written_});
  }
  for (; !groups_.empty() && groups_.front().end <= ids_.begin(); groups_.pop_front())
    store_->write(documents_, u64_key(groups_.front().first_sequence), std::nullopt, durable);
}

Status Ledger::health() const {
  const MutexLock lock(mutex_);
  return health_;
}

void Ledger::run() {
  using std::chrono::steady_clock;
  set_thread_name("ledger");
  const std::chrono::milliseconds interval(options_.checkpoint_interval_ms);
  const std::chrono::milliseconds retry_interval(options_.retry_interval_ms);
  uint64_t committed = recovered_up_to_, checkpointed = recovered_up_to_;
  auto next_checkpoint = steady_clock::now() + interval;
  const auto write = [&](uint64_t target, uint64_t tail, bool stopping) -> Status {
    if (target > committed) {
      fail_point("ledger.commit.before");
      WM_TRY(store_->commit(target));
      committed = target;
    }
    if (committed > checkpointed && (stopping || steady_clock::now() >= next_checkpoint)) {
      const Result<uint64_t> lasting = store_->checkpoint();
      if (!lasting) return tl::unexpected<Error>(lasting.error());
      fail_point("ledger.checkpoint.after");
      checkpointed = committed;
      needed_above_ = std::min(*lasting, tail == 0 ? 0 : tail - 1);
      next_checkpoint = steady_clock::now() + interval;
    }
    return {};
  };
  for (bool stopping = false; !stopping;) {
    uint64_t target = 0, tail = 0;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && handed_over_ <= committed &&
             (committed == checkpointed || steady_clock::now() < next_checkpoint))
        condition_.wait_for(mutex_, interval);
      stopping = stopping_;
      target = handed_over_;
      tail = tail_;
    }
    Status written = write(target, tail, stopping);
    const MutexLock lock(mutex_);
    if (written.has_value() != health_.has_value()) {
      if (written)
        log_info("the ledger {} is written again", options_.directory);
      else
        log_error("the ledger {} cannot be written: {}", options_.directory,
                  written.error().message);
    }
    health_ = std::move(written);
    if (!health_ && !stopping_) condition_.wait_for(mutex_, retry_interval);
  }
}

}  // namespace wiremill
