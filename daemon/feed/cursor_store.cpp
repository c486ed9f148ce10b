// See cursor_store.hpp.
//
// All cursors stand in one file of text, CURSORS, which is written anew beside the old one, synced and
// renamed over it: a crash leaves the one or the other. Each attempt begins with a new file, so after
// a failed sync none is repeated and believed. A thousand cursors make 60 KiB, and whatever was
// committed while one file is written enters the next together. (A small RocksDB was here first;
// Debian's, built with assertions, aborts the process after a failed write of its write-ahead log,
// and a full disk must not end the daemon.)
//
//   wiremill-cursors 1
//   epoch 1 1                                    number, its first sequence
//   cursor indexer 1 4711 1714564800000000       name, epoch, sequence, when it was committed (us)
//   crc32c 0a1b2c3d                              of every byte before this line
#include "daemon/feed/cursor_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/hash.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kName = "/CURSORS";
constexpr std::string_view kTitle = "wiremill-cursors ";
constexpr int kVersion = 1;
constexpr std::string_view kChecksum = "crc32c ";
constexpr size_t kNameBytesMax = 128;
constexpr size_t kPeersWaitingMax = 10'000;
constexpr int64_t kFileBytesMax = 1 << 30;

// The next word up to a blank, which it takes away.
std::string_view take_word(std::string_view& line) {
  const size_t blank = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(std::min(blank + 1, line.size()));
  return word;
}

// Words that are numbers, and nothing behind them.
template <class... Numbers>
bool read_numbers(std::string_view line, Numbers&... numbers) {
  const auto read = [&](auto& number) {
    const std::string_view word = take_word(line);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc{} && end == word.data() + word.size();
  };
  return (read(numbers) && ...) && line.empty();
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
                                                       std::function<void()> settled,
                                                       FileSystem& files) {
  std::unique_ptr<CursorStore> store(
      new CursorStore(directory, cursors_max, std::move(settled), files));
  WM_TRY(files.make_directory(directory));
  auto lock = files.lock(directory + "/LOCK");
  if (!lock) return tl::unexpected(std::move(lock).error());
  store->lock_ = std::move(*lock);
  WM_TRY(store->load());
  store->thread_ = std::thread([raw = store.get()] { raw->run(); });
  return store;
}

CursorStore::CursorStore(std::string directory, size_t cursors_max, std::function<void()> settled,
                         FileSystem& files)
    : directory_(std::move(directory)),
      cursors_max_(cursors_max),
      settled_(std::move(settled)),
      files_(files) {}

CursorStore::~CursorStore() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  condition_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status CursorStore::load() {
  const std::string path = directory_ + std::string(kName);
  const auto file = files_.open(path, OpenMode::Read);
  if (!file && file.error().code == ErrorCode::NotFound) return {};
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  std::string text(static_cast<size_t>(std::min(*size, kFileBytesMax)), '\0');
  const auto got = (*file)->read_at(0, text.data(), text.size());
  if (!got) return tl::unexpected(got.error());
  text.resize(*got);
  Status parsed = parse(text);
  if (!parsed && parsed.error().code == ErrorCode::Damaged)
    return fail(ErrorCode::Damaged, "{} {}; without it the daemon begins with no cursors", path,
                parsed.error().message);
  if (!parsed) return fail(parsed.error().code, "{} {}", path, parsed.error().message);
  return {};
}

// Errors: Damaged, Unsupported.
Status CursorStore::parse(std::string_view text) {
  int version = 0;
  const std::string_view title = text.substr(0, text.find('\n'));
  if (title.starts_with(kTitle) && read_numbers(title.substr(kTitle.size()), version) &&
      version > kVersion)
    return fail(ErrorCode::Unsupported, "is of version {}; this program reads up to {}", version,
                kVersion);
  if (version != kVersion) return fail(ErrorCode::Damaged, "is no file of cursors");
  const size_t last = text.rfind(kChecksum);
  if (last == text.npos ||
      text.substr(last) != fmt::format("{}{:08x}\n", kChecksum, crc32c(text.substr(0, last))))
    return fail(ErrorCode::Damaged, "is damaged: its checksum is wrong");
  text = text.substr(title.size() + 1, last - title.size() - 1);
  MutexLock lock(mutex_);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string_view rest = line;
    const std::string_view kind = take_word(rest);
    uint64_t epoch = 0, first = 0;
    CursorPlace place;
    if (kind == "epoch" && read_numbers(rest, epoch, first)) {
      epochs_[epoch] = first;
      continue;
    }
    const std::string name(kind == "cursor" ? take_word(rest) : "");
    if (!is_cursor_name(name) ||
        !read_numbers(rest, place.epoch, place.sequence, place.committed_at_us))
      return fail(ErrorCode::Damaged, "is damaged: \"{}\" cannot be read", line);
    stored_[name] = place;
  }
  return {};
}

// An epoch that began at or behind the new one's first sequence says nothing that the new one does
// not say, and one of a higher number belongs to a log that was replaced.
Status CursorStore::begin_epoch(uint64_t epoch, uint64_t first) {
  if (const auto known = epochs_.find(epoch);
      known != epochs_.end() && known->second == first && std::next(known) == epochs_.end())
    return {};
  std::erase_if(epochs_,
                [&](const auto& each) { return each.first >= epoch || each.second >= first; });
  epochs_[epoch] = first;
  return write(all());
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
    for (const auto& each : *places)
      if (!stored_.contains(each.first)) ++count;
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
    std::map<std::string, CursorPlace> cursors;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) condition_.wait(mutex_);
      if (waiting_.empty()) return;
      changes = writing_ = std::exchange(waiting_, {});
      askers = std::exchange(askers_, {});
      cursors = stored_;
    }
    for (const auto& [name, place] : changes) {
      if (place)
        cursors[name] = *place;
      else
        cursors.erase(name);
    }
    settle(changes, std::move(askers), write(cursors));
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

Status CursorStore::write(const std::map<std::string, CursorPlace>& cursors) {
  std::string text = fmt::format("{}{}\n", kTitle, kVersion);
  for (const auto& [epoch, first] : epochs_) text += fmt::format("epoch {} {}\n", epoch, first);
  for (const auto& [name, place] : cursors)
    text += fmt::format("cursor {} {} {} {}\n", name, place.epoch, place.sequence,
                        place.committed_at_us);
  text += fmt::format("{}{:08x}\n", kChecksum, crc32c(text));
  const std::string path = directory_ + std::string(kName);
  WM_TRY(files_.remove(path + ".tmp"));
  WM_TRY(make_whole_file(files_, path + ".tmp", text));
  fail_point("cursor.commit.before");
  WM_TRY(files_.rename(path + ".tmp", path));
  WM_TRY(files_.sync_directory(directory_));
  fail_point("cursor.commit.after");
  return {};
}

}  // namespace wiremill
