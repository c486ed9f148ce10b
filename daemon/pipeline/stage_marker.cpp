// The file: a header, a slot for each worker, and the suspects that were known when it was made. It
// is made anew at each start and takes the old one's place by a rename, so a start that is killed
// half way leaves either the old slots or the suspects that they made, never both nor neither.
#include "daemon/pipeline/stage_marker.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "daemon/base/thread.hpp"

namespace wiremill {
namespace {

constexpr uint64_t kMagic = 0x31474154534d57;  // "WMSTAG1"
constexpr size_t kStageBytesMax = 72;          // a configured name has at most 64
constexpr uint64_t kDocumentsMax = 100'000;    // that one slot may name: more is no slot of ours
constexpr int32_t kExit = -1;                  // in place of a signal's number
constexpr size_t kSignalStackBytes = 64 << 10;

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::array kSignalNames = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};

struct Header {
  uint64_t magic;
  uint32_t slots, suspects;
};
struct Slot {
  uint64_t first, last;
  char stage[kStageBytesMax];
  uint32_t alone;
  std::atomic<uint32_t> entered;
  std::atomic<int32_t> died_by;  // 0: it did not
  uint32_t reserved;
};
struct StoredSuspect {
  std::atomic<uint64_t> sequence;  // 0: cleared
  char stage[kStageBytesMax];
  uint32_t attempts;
  int32_t died_by;
};
static_assert(std::atomic<uint32_t>::is_always_lock_free &&
              std::atomic<uint64_t>::is_always_lock_free && sizeof(Slot) == 104 &&
              sizeof(StoredSuspect) == 88);

size_t file_bytes(size_t slots, size_t suspects) {
  return sizeof(Header) + slots * sizeof(Slot) + suspects * sizeof(StoredSuspect);
}

void set_stage(char (&to)[kStageBytesMax], std::string_view stage) {
  const size_t size = std::min(stage.size(), kStageBytesMax - 1);
  std::memcpy(to, stage.data(), size);
  to[size] = '\0';
}
std::string stage_of(const char (&stage)[kStageBytesMax]) {
  return {stage, strnlen(stage, kStageBytesMax)};
}

std::string cause_of(int32_t died_by) {
  if (died_by == kExit) return "exit()";
  const auto* const known = std::ranges::find(kSignals, died_by);
  return known == kSignals.end() ? "a signal" : kSignalNames[known - kSignals.begin()];
}

// ---- The signal handlers' side: nothing here allocates, locks or throws.

// The slots of the one marker that is open.
struct OpenSlots {
  std::atomic<Slot*> first{nullptr};
  std::atomic<size_t> count{0};
  std::atomic<pid_t> owner{0};
};
OpenSlots open_slots;
std::array<struct sigaction, kSignals.size()> previous_handlers;
thread_local size_t own_slot = SIZE_MAX;  // of a worker

// The daemon's own threads accuse no stage, and neither does a child that a stage forked. False: nobody
// is accused.
bool stamp(int32_t died_by) {
  if (own_slot == SIZE_MAX && is_named_thread()) return false;
  if (open_slots.owner != getpid()) return false;
  Slot* const slots = open_slots.first;
  const size_t count = slots == nullptr ? 0 : open_slots.count.load();
  const size_t begin = own_slot < count ? own_slot : 0;
  const size_t end = own_slot < count ? own_slot + 1 : count;
  bool accuses = false;
  for (size_t i = begin; i < end; ++i) {
    if (slots[i].entered == 0) continue;
    slots[i].died_by = died_by;
    accuses = true;
  }
  return accuses;
}

void on_fatal_signal(int number, siginfo_t* info, void*) {
  const int saved_errno = errno;
  const bool was_sent = info->si_code <= 0;
  if (!was_sent || info->si_pid == getpid()) stamp(number);
  for (size_t i = 0; i < kSignals.size(); ++i)
    if (kSignals[i] == number) sigaction(number, &previous_handlers[i], nullptr);
  // A fault comes again by itself when this returns, with its address; what was sent does not.
  if (was_sent) raise(number);
  errno = saved_errno;
}

// Other workers go on meanwhile: what exit() destroys is still theirs, and a death of it would accuse
// their documents.
void end_at_once(int exit_code, void*) {
  if (stamp(kExit)) _exit(exit_code);
}

// A stack that is full cannot take a handler's frame, so each worker has one beside it. Sanitizers
// give threads one of their own, which stays.
class SignalStack {
 public:
  SignalStack() {
    stack_t present{};
    if (sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;
    void* const memory = mmap(nullptr, kSignalStackBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    memory_ = memory;
    stack_t own{};
    own.ss_sp = memory_;
    own.ss_size = kSignalStackBytes;
    sigaltstack(&own, nullptr);
  }
  ~SignalStack() {
    if (memory_ == nullptr) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    munmap(memory_, kSignalStackBytes);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  void* memory_ = nullptr;
};

void install_handlers() {
  struct sigaction action {};
  action.sa_sigaction = &on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i)
    sigaction(kSignals[i], &action, &previous_handlers[i]);
  static const bool registered = ::on_exit(&end_at_once, nullptr) == 0;
  (void)registered;
}

void remove_handlers() {
  for (size_t i = 0; i < kSignals.size(); ++i)
    sigaction(kSignals[i], &previous_handlers[i], nullptr);
}

// ---- What the last process left.

// The file's parts, in its bytes.
struct Parts {
  std::span<Slot> slots;
  std::span<StoredSuspect> suspects;
};

Parts parts_of(char* bytes) {
  const auto* header = reinterpret_cast<const Header*>(bytes);
  auto* const slots = reinterpret_cast<Slot*>(bytes + sizeof(Header));
  auto* const suspects = reinterpret_cast<StoredSuspect*>(slots + header->slots);
  return {{slots, header->slots}, {suspects, header->suspects}};
}

// Aligned for its parts; empty where there is no such file or it has another shape.
std::vector<uint64_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  Header header{};
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || bytes.size() != file_bytes(header.slots, header.suspects))
    return {};
  std::vector<uint64_t> words(bytes.size() / sizeof(uint64_t));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

std::vector<Suspect> read_suspects(const std::string& path) {
  std::vector<uint64_t> words = read_file(path);
  if (words.empty()) return {};
  const Parts parts = parts_of(reinterpret_cast<char*>(words.data()));
  std::map<uint64_t, Suspect> suspects;
  for (const StoredSuspect& stored : parts.suspects)
    if (stored.sequence != 0)
      suspects[stored.sequence] = {stored.sequence, stage_of(stored.stage), stored.attempts,
                                   stored.died_by == 0 ? "" : cause_of(stored.died_by)};
  for (const Slot& slot : parts.slots) {
    if (slot.died_by == 0 || slot.first == 0 || slot.last < slot.first ||
        slot.last - slot.first > kDocumentsMax)
      continue;
    const std::string stage = stage_of(slot.stage);
    for (uint64_t sequence = slot.first; sequence <= slot.last; ++sequence) {
      Suspect& suspect = suspects[sequence];
      const uint32_t before = suspect.stage == stage ? suspect.attempts : 0;
      suspect = {sequence, stage, before + (slot.alone != 0 ? 1 : 0), cause_of(slot.died_by)};
    }
  }
  std::vector<Suspect> list;
  for (auto& [sequence, suspect] : suspects) list.push_back(std::move(suspect));
  return list;
}

int32_t number_of(const std::string& cause) {
  const auto* const known = std::ranges::find(kSignalNames, cause);
  return known == kSignalNames.end() ? kExit : kSignals[known - kSignalNames.begin()];
}

}  // namespace

class StageMarker::Impl {
 public:
  explicit Impl(std::vector<Suspect> suspects) : suspects_(std::move(suspects)) {}
  ~Impl() {
    if (memory_ == nullptr) return;
    remove_handlers();
    open_slots.first = nullptr;
    munmap(memory_, bytes_);
  }

  // Makes the file with empty slots and the suspects, in the old one's place.
  Status make(const std::string& path, size_t workers) {
    bytes_ = file_bytes(workers, suspects_.size());
    const std::string made = path + ".tmp";
    const int fd = ::open(made.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return fail_errno(errno, "make", made);
    // Reserved at once: a write into a hole of a full disk is a SIGBUS.
    const int no_space = posix_fallocate(fd, 0, static_cast<off_t>(bytes_));
    void* const memory = no_space != 0
                             ? MAP_FAILED
                             : mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int error = no_space != 0 ? no_space : errno;
    close(fd);
    if (memory == MAP_FAILED) return fail_errno(error, "reserve and map", made);
    memory_ = static_cast<char*>(memory);
    new (memory_)
        Header{kMagic, static_cast<uint32_t>(workers), static_cast<uint32_t>(suspects_.size())};
    parts_ = parts_of(memory_);
    for (size_t i = 0; i < suspects_.size(); ++i) {
      StoredSuspect& stored = *new (&parts_.suspects[i]) StoredSuspect{};
      stored.sequence = suspects_[i].sequence;
      set_stage(stored.stage, suspects_[i].stage);
      stored.attempts = suspects_[i].attempts;
      stored.died_by = number_of(suspects_[i].cause);
    }
    for (Slot& slot : parts_.slots) new (&slot) Slot{};
    if (rename(made.c_str(), path.c_str()) != 0) return fail_errno(errno, "rename", made);
    WM_INVARIANT(open_slots.first == nullptr);
    open_slots.count = workers;
    open_slots.owner = getpid();
    open_slots.first = parts_.slots.data();
    install_handlers();
    return {};
  }

  void clear_up_to(uint64_t sequence) {
    for (; cleared_ < suspects_.size() && suspects_[cleared_].sequence <= sequence; ++cleared_)
      parts_.suspects[cleared_].sequence = 0;
  }

  void enter(size_t worker, const std::string& stage, uint64_t first, uint64_t last, bool alone) {
    static thread_local const SignalStack signal_stack;
    own_slot = worker;
    Slot& slot = parts_.slots[worker];
    slot.first = first;
    slot.last = last;
    slot.alone = alone ? 1 : 0;
    slot.died_by = 0;
    set_stage(slot.stage, stage);
    slot.entered.store(1, std::memory_order_release);
  }

  void leave(size_t worker) { parts_.slots[worker].entered.store(0, std::memory_order_release); }

  const std::vector<Suspect>& suspects() const { return suspects_; }

 private:
  const std::vector<Suspect> suspects_;
  size_t bytes_ = 0;
  char* memory_ = nullptr;
  Parts parts_;
  size_t cleared_ = 0;
};

Result<std::unique_ptr<StageMarker>> StageMarker::open(const std::string& path, size_t workers) {
  auto impl = std::make_unique<Impl>(read_suspects(path));
  WM_TRY(impl->make(path, workers));
  return std::unique_ptr<StageMarker>(new StageMarker(std::move(impl)));
}

StageMarker::StageMarker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StageMarker::~StageMarker() = default;
const std::vector<Suspect>& StageMarker::suspects() const { return impl_->suspects(); }
void StageMarker::clear_up_to(uint64_t sequence) { impl_->clear_up_to(sequence); }
void StageMarker::enter(size_t worker, const std::string& stage, uint64_t first, uint64_t last,
                        bool alone) {
  impl_->enter(worker, stage, first, last, alone);
}
void StageMarker::leave(size_t worker) { impl_->leave(worker); }

}  // namespace wiremill
