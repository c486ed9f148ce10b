#include "cli/check/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/base/thread.hpp"

namespace wiremill::check {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kWordsBytesMax = 2048;
constexpr rlim_t kFileBytesMax = 64 << 20;
#if defined(WIREMILL_SANITIZED)
constexpr bool kMemoryIsLimited = false;  // a sanitizer maps far more than it uses
#else
constexpr bool kMemoryIsLimited = true;
#endif

enum Outcome : uint32_t { kNone = 0, kPassed = 1, kFailed = 2 };

// Memory of both processes. The texts end with a zero; the parent reads them when the child is gone.
struct Shared {
  std::atomic<uint32_t> outcome{kNone};
  std::array<char, 4096> detail;
  std::array<char, 256> doing, function, document;
  uint32_t input_bytes;
  std::array<char, kInputBytesMax> input;
};

Shared* g_shared = nullptr;  // in the child
Mutex g_notes_mutex;

template <size_t size>
void copy_text(std::string_view from, std::array<char, size>& to) {
  const size_t bytes = std::min(from.size(), size - 1);
  std::memcpy(to.data(), from.data(), bytes);
  to[bytes] = 0;
}

template <size_t size>
std::string read_text(const std::array<char, size>& from) {
  return {from.data(), strnlen(from.data(), size)};
}

// The child's last act: its finding, and the end of the process with nothing of the plugin's run.
[[noreturn]] void report(bool passed, std::string_view detail) {
  copy_text(detail, g_shared->detail);
  g_shared->outcome = passed ? kPassed : kFailed;
  _exit(0);
}

void set_limit(decltype(RLIMIT_CORE) which, rlim_t value) {
  const rlimit limit = {value, value};
  setrlimit(which, &limit);
}

[[noreturn]] void be_child(const ChildLimits& limits, int words_fd,
                           const std::function<Result<std::string>()>& work) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGINT, SIGTERM, SIGXFSZ, SIGPIPE}) std::signal(signal, SIG_IGN);
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_FSIZE, kFileBytesMax);
  if (kMemoryIsLimited) set_limit(RLIMIT_DATA, static_cast<rlim_t>(limits.memory_bytes_max));
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(words_fd, STDOUT_FILENO);
  dup2(words_fd, STDERR_FILENO);
  try {
    const Result<std::string> found = work();
    report(found.has_value(), found ? *found : found.error().message);
  } catch (const std::exception& error) {
    report(false, fmt::format("the check itself failed: {}", error.what()));
  }
}

// The end of what the child wrote.
std::string read_words(int words_fd) {
  const off_t size = lseek(words_fd, 0, SEEK_END);
  std::string words(kWordsBytesMax, 0);
  const ssize_t bytes = pread(words_fd, words.data(), words.size(),
                              std::max<off_t>(0, size - static_cast<off_t>(kWordsBytesMax)));
  words.resize(static_cast<size_t>(std::max<ssize_t>(0, bytes)));
  return words;
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

// "in process, at document 'empty', while ...".
std::string place(const Shared& shared) {
  std::string out;
  if (const std::string function = read_text(shared.function); !function.empty())
    out += fmt::format(" in {}", function);
  if (const std::string document = read_text(shared.document); !document.empty())
    out += fmt::format(", at document '{}'", document);
  if (const std::string doing = read_text(shared.doing); !doing.empty())
    out += fmt::format(" ({})", doing);
  return out;
}

class Child {
 public:
  explicit Child(pid_t pid)
      : pid_(pid), pid_fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  ~Child() {
    if (pid_fd_ >= 0) close(pid_fd_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether it ended meanwhile.
  bool wait(int timeout_ms) const {
    pollfd ended = {pid_fd_, POLLIN, 0};
    return poll(&ended, 1, timeout_ms) == 1;
  }
  // Ends it where it still runs, and whatever it started; answers its wait status.
  int end() const {
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }

 private:
  const pid_t pid_;
  const int pid_fd_;
};

std::string cause_of(int status) {
  if (WIFSIGNALED(status)) return "killed by " + signal_name(WTERMSIG(status));
  return fmt::format("ended the process with exit code {}", WEXITSTATUS(status));
}

}  // namespace

Ended run_in_child(const ChildLimits& limits, const std::function<Result<std::string>()>& work,
                   const std::function<bool()>& go_on) {
  const auto began = Clock::now();
  Ended ended;
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const int words_fd = memfd_create("words", MFD_CLOEXEC);
  if (memory == MAP_FAILED || words_fd < 0) {
    ended.detail = fmt::format("no memory to share with a child: {}", std::strerror(errno));
    return ended;
  }
  auto* const shared = new (memory) Shared;
  const pid_t pid = fork();
  if (pid == 0) {
    g_shared = shared;
    be_child(limits, words_fd, work);
  }
  if (pid < 0) {
    ended.detail = fmt::format("cannot fork: {}", std::strerror(errno));
  } else {
    setpgid(pid, pid);
    const Child child(pid);
    std::optional<std::string> why_killed;
    const auto deadline = began + std::chrono::milliseconds(limits.deadline_ms);
    while (!child.wait(100) && !why_killed) {
      if (!go_on()) why_killed = "interrupted";
      if (Clock::now() > deadline)
        why_killed = fmt::format("not done after {} s", limits.deadline_ms / 1000);
    }
    const int status = child.end();
    const uint32_t outcome = shared->outcome;
    ended.passed = outcome == kPassed;
    if (outcome != kNone)
      ended.detail = read_text(shared->detail);
    else
      ended.detail = why_killed.value_or(cause_of(status)) + place(*shared);
    if (!ended.passed) {
      ended.words = read_words(words_fd);
      ended.input.assign(shared->input.data(),
                         std::min<size_t>(shared->input_bytes, kInputBytesMax));
    }
  }
  close(words_fd);
  munmap(memory, sizeof(Shared));
  ended.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return ended;
}

void note_doing(std::string_view what) {
  const MutexLock lock(g_notes_mutex);
  copy_text(what, g_shared->doing);
}

void note_call(std::string_view function, std::string_view document) {
  const MutexLock lock(g_notes_mutex);
  copy_text(function, g_shared->function);
  copy_text(document, g_shared->document);
}

void note_input(std::string_view bytes) {
  const size_t kept = std::min(bytes.size(), kInputBytesMax);
  g_shared->input_bytes = static_cast<uint32_t>(kept);
  std::memcpy(g_shared->input.data(), bytes.data(), kept);
}

class Alarm::Impl {
 public:
  Impl(int64_t after_ms, std::string words)
      : words_(std::move(words)),
        after_(after_ms),
        deadline_(Clock::now() + after_),
        thread_([this] { watch(); }) {}
  ~Impl() {
    {
      const MutexLock lock(mutex_);
      in_time_ = true;
      condition_.notify_one();
    }
    thread_.join();
  }
  void restart() {
    const MutexLock lock(mutex_);
    deadline_ = Clock::now() + after_;
  }

 private:
  void watch() {
    const MutexLock lock(mutex_);
    while (!in_time_) {
      const auto left = deadline_ - Clock::now();
      if (left <= Clock::duration::zero()) report(false, words_ + place(*g_shared));
      condition_.wait_for(mutex_, left);
    }
  }

  const std::string words_;
  const std::chrono::milliseconds after_;
  Mutex mutex_;
  Condition condition_;
  Clock::time_point deadline_ WM_GUARDED_BY(mutex_);
  bool in_time_ WM_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Alarm::Alarm(int64_t after_ms, std::string words)
    : impl_(std::make_unique<Impl>(after_ms, std::move(words))) {}
Alarm::~Alarm() = default;
void Alarm::restart() { impl_->restart(); }

}  // namespace wiremill::check
