// See ledger.hpp.
#include "daemon/intake/ledger.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <vector>

namespace wiremill {
namespace {

constexpr uint32_t kForgetEvery = 256;  // documents between two looks for old ids
constexpr size_t kForgetAtOnce = 512;   // so that forgetting overtakes remembering
constexpr std::string_view kTailKey = "tail";

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

constexpr size_t kKnownBytes = 32;
constexpr size_t kOrderBytes = 24;

std::string encode(const Ledger::Known& known) {
  std::string bytes;
  append_u64(bytes, known.sequence);
  append_u64(bytes, known.content.high);
  append_u64(bytes, known.content.low);
  append_u64(bytes, static_cast<uint64_t>(known.accepted_at_us));
  return bytes;
}

std::optional<Ledger::Known> decode(const std::optional<std::string>& bytes) {
  if (!bytes || bytes->size() != kKnownBytes) return std::nullopt;
  Ledger::Known known;
  known.sequence = read_u64(*bytes, 0);
  known.content = {.low = read_u64(*bytes, 16), .high = read_u64(*bytes, 8)};
  known.accepted_at_us = static_cast<int64_t>(read_u64(*bytes, 24));
  return known;
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const LedgerOptions& options, uint64_t durable) {
  const std::vector<std::string> spaces{"ids", "order", "sessions", "meta"};
  auto store = StateStore::open(options.directory, spaces);
  if (store && (*store)->recovered_up_to() > durable) {
    store->reset();
    std::error_code error;
    std::filesystem::remove_all(options.directory, error);
    if (error)
      return fail(ErrorCode::Io, "cannot remove {}: {}", options.directory, error.message());
    store = StateStore::open(options.directory, spaces);
  }
  if (!store) return tl::unexpected<Error>(store.error());
  return std::unique_ptr<Ledger>(new Ledger(options, std::move(*store)));
}

Ledger::Ledger(const LedgerOptions& options, std::unique_ptr<StateStore> store)
    : options_(options),
      store_(std::move(store)),
      ids_(store_->space("ids")),
      order_(store_->space("order")),
      sessions_(store_->space("sessions")),
      meta_(store_->space("meta")),
      recovered_up_to_(store_->recovered_up_to()),
      needed_above_(0) {
  thread_ = std::thread([this] { run(); });
}

Ledger::~Ledger() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  condition_.notify_one();
  thread_.join();
}

uint64_t Ledger::read_from() const {
  const std::array<std::string_view, 1> keys{kTailKey};
  std::vector<std::optional<std::string>> values;
  const uint64_t next = recovered_up_to_ + 1;
  if (!store_->get_many(meta_, keys, values) || !values[0] || values[0]->size() != 8) return next;
  return std::min(next, read_u64(*values[0], 0));
}

Status Ledger::sessions(const std::function<void(std::string_view client, uint64_t session,
                                                 uint64_t settled)>& visit) const {
  return store_->scan(sessions_, "", "", [&](std::string_view key, std::string_view value) {
    if (key.size() >= 8 && value.size() == 8)
      visit(key.substr(8), read_u64(key, 0), read_u64(value, 0));
    return true;
  });
}

Result<std::optional<Ledger::Known>> Ledger::find(std::string_view id, int64_t now_us) const {
  const std::string key = hash_key(hash128(id));
  const std::array<std::string_view, 1> keys{key};
  std::vector<std::optional<std::string>> values;
  WM_TRY(store_->get_many(ids_, keys, values));
  std::optional<Known> known = decode(values[0]);
  if (known && known->accepted_at_us < now_us - options_.window_ms * 1000) known.reset();
  return known;
}

Status Ledger::remember(std::string_view id, const Known& document) {
  const std::string key = hash_key(hash128(id));
  store_->write(ids_, key, encode(document), document.sequence);
  std::string place = key;
  append_u64(place, static_cast<uint64_t>(document.accepted_at_us));
  store_->write(order_, u64_key(document.sequence), place, document.sequence);
  if (until_forget_ > 0) {
    --until_forget_;
    return {};
  }
  until_forget_ = kForgetEvery;
  return forget_old(document.sequence, document.accepted_at_us);
}

bool Ledger::is_due(uint64_t sequence, int64_t accepted_at_us, uint64_t newest,
                    int64_t now_us) const {
  return sequence + options_.documents_max <= newest ||
         accepted_at_us < now_us - options_.window_ms * 1000;
}

// An id that came again stands in `order` twice; only its latest place may remove it.
Status Ledger::forget_old(uint64_t sequence, int64_t now_us) {
  if (!is_due(next_due_sequence_, next_due_accepted_at_us_, sequence, now_us)) return {};
  struct Place {
    std::string order_key, id_key;
  };
  std::vector<Place> due;
  WM_TRY(store_->scan(order_, "", oldest_, [&](std::string_view key, std::string_view value) {
    if (key.size() != 8 || value.size() != kOrderBytes) return false;
    const auto accepted_at_us = static_cast<int64_t>(read_u64(value, 16));
    next_due_sequence_ = read_u64(key, 0);
    next_due_accepted_at_us_ = accepted_at_us;
    if (!is_due(next_due_sequence_, accepted_at_us, sequence, now_us)) return false;
    due.push_back({std::string(key), std::string(value.substr(0, 16))});
    return due.size() < kForgetAtOnce;
  }));
  if (due.empty()) return {};
  std::vector<std::string_view> keys;
  for (const Place& place : due) keys.push_back(place.id_key);
  std::vector<std::optional<std::string>> values;
  WM_TRY(store_->get_many(ids_, keys, values));
  for (size_t i = 0; i < due.size(); ++i) {
    const std::optional<Known> known = decode(values[i]);
    if (known && known->sequence == read_u64(due[i].order_key, 0))
      store_->write(ids_, due[i].id_key, std::nullopt, sequence);
    store_->write(order_, due[i].order_key, std::nullopt, sequence);
  }
  oldest_ = due.back().order_key;
  return {};
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
    handed_over_ = durable;
    tail_ = tail;
  }
  store_->write(meta_, kTailKey, u64_key(tail), durable);
  condition_.notify_one();
}

Status Ledger::health() const {
  const MutexLock lock(mutex_);
  if (failure_) return tl::unexpected<Error>(*failure_);
  return {};
}

void Ledger::fail_with(Error error) {
  const MutexLock lock(mutex_);
  failure_ = std::move(error);
}

void Ledger::run() {
  using std::chrono::steady_clock;
  set_thread_name("ledger");
  const std::chrono::milliseconds interval(options_.checkpoint_interval_ms);
  uint64_t committed = recovered_up_to_, checkpointed = recovered_up_to_;
  auto next_checkpoint = steady_clock::now() + interval;
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
    if (target > committed) {
      if (Status status = store_->commit(target); !status) return fail_with(status.error());
      committed = target;
    }
    if (committed > checkpointed && (stopping || steady_clock::now() >= next_checkpoint)) {
      const Result<uint64_t> lasting = store_->checkpoint();
      if (!lasting) return fail_with(lasting.error());
      checkpointed = committed;
      needed_above_ = std::min(*lasting, tail == 0 ? 0 : tail - 1);
      next_checkpoint = steady_clock::now() + interval;
    }
  }
}

}  // namespace wiremill
