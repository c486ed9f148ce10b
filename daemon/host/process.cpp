#include "daemon/host/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/host/proc_files.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr off_t kWordsBytesMax = 32 << 10;
constexpr size_t kLastWordsBytesMax = 512;
// The descriptors given are moved above those that they become, so that none is in another's way.
constexpr int kFirstSpareFd = 16;

// posix_spawn's two objects, freed in every case.
struct SpawnPlan {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
  SpawnPlan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

std::vector<char*> pointers_to(const std::vector<std::string>& list) {
  std::vector<char*> pointers;
  pointers.reserve(list.size() + 1);
  for (const std::string& each : list) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Nothing open but what is given, no signal blocked or ignored.
int spawn(const Process::Plan& plan, const std::vector<std::pair<int, int>>& given, pid_t& pid) {
  SpawnPlan spawn;
  posix_spawn_file_actions_addopen(&spawn.files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&spawn.files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  int last = STDERR_FILENO;
  for (const auto& [from, to] : given) {
    posix_spawn_file_actions_adddup2(&spawn.files, from, to);
    last = std::max(last, to);
  }
  posix_spawn_file_actions_addclosefrom_np(&spawn.files, last + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&spawn.attributes, &none);
  posix_spawnattr_setsigdefault(&spawn.attributes, &all);
  posix_spawnattr_setpgroup(&spawn.attributes, 0);
  posix_spawnattr_setflags(&spawn.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  return posix_spawn(&pid, plan.arguments.front().c_str(), &spawn.files, &spawn.attributes,
                     pointers_to(plan.arguments).data(), pointers_to(plan.environment).data());
}

}  // namespace

Result<Process> Process::start(const Plan& plan, std::optional<ControlGroup> control_group) {
  const int words_fd = memfd_create("wiremill-stage-words", MFD_CLOEXEC);
  if (words_fd < 0) return fail_errno(errno, "cannot make", "a stage's standard error");
  fcntl(words_fd, F_SETFL, O_APPEND);
  Process process(words_fd, std::move(control_group));
  std::vector<std::pair<int, int>> given = plan.descriptors;
  given.emplace_back(words_fd, STDERR_FILENO);
  int error = 0;
  for (auto& [from, to] : given)
    if ((from = fcntl(from, F_DUPFD_CLOEXEC, kFirstSpareFd)) < 0) error = errno;
  if (error == 0) error = spawn(plan, given, process.pid_);
  for (const auto& [from, to] : given)
    if (from >= 0) close(from);
  if (error != 0) {
    process.pid_ = -1;
    return fail_errno(error, "cannot start", plan.arguments.front());
  }
  process.pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, process.pid_, 0));
  if (process.pid_fd_ < 0) return fail_errno(errno, "cannot watch", plan.arguments.front());
  process.schedstat_fd_ =
      open(fmt::format("/proc/{}/schedstat", process.pid_).c_str(), O_RDONLY | O_CLOEXEC);
  return process;
}

Process::Process(Process&& other) noexcept
    : control_group_(std::move(other.control_group_)),
      words_fd_(std::exchange(other.words_fd_, -1)),
      pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)),
      schedstat_fd_(std::exchange(other.schedstat_fd_, -1)) {}

Process::~Process() {
  if (pid_ > 0) {
    kill();
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  for (const int fd : {words_fd_, pid_fd_, schedstat_fd_})
    if (fd >= 0) close(fd);
}

Process::Wait Process::wait(std::span<const pollfd> descriptors, int64_t timeout_ns) {
  polled_.assign(descriptors.begin(), descriptors.end());
  polled_.push_back({pid_fd_, POLLIN, 0});
  const int64_t end_ns = monotonic_ns() + timeout_ns;
  for (;;) {
    const int64_t left_ns = std::max<int64_t>(end_ns - monotonic_ns(), 0);
    const timespec left = {left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    const int ready = ppoll(polled_.data(), polled_.size(), &left, nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::TimedOut;
    const bool ended = polled_.back().revents != 0;
    return ready > (ended ? 1 : 0) ? Wait::Ready : Wait::Ended;
  }
}

const std::vector<pid_t>& Process::group() {
  if (control_group_) return group_ = control_group_->processes();
  if (std::string newest = newest_process(); newest != newest_) {
    newest_ = std::move(newest);
    group_ = group_members(pid_);
  }
  return group_;
}

int64_t Process::cpu_ns() const {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return used.tv_sec * 1'000'000'000LL + used.tv_nsec;
}

int64_t Process::waited_for_core_ns() const {
  std::array<char, 80> text{};  // "on a core, waited, slices": three numbers
  if (schedstat_fd_ < 0 || pread(schedstat_fd_, text.data(), text.size() - 1, 0) <= 0) return 0;
  char* behind_first = nullptr;
  (void)std::strtoll(text.data(), &behind_first, 10);
  return std::strtoll(behind_first, nullptr, 10);
}

void Process::kill() const {
  // Not reaped yet, so the numbers are still its own.
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
}

std::optional<std::string> Process::ended() {
  if (wait({}, 0) != Wait::Ended) return std::nullopt;
  const std::string words = last_words();
  return cause() + (words.empty() ? "" : "; its last words: " + words);
}

std::string Process::cause() const {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0)
    return "ended in an unknown way";
  using MemoryEnd = ControlGroup::MemoryEnd;
  const MemoryEnd memory = control_group_ ? control_group_->memory_end() : MemoryEnd::None;
  if (memory == MemoryEnd::OverLimit)
    return fmt::format("needed more memory than its limit of {} MiB",
                       control_group_->memory_bytes_max() >> 20);
  if (memory == MemoryEnd::Elsewhere)
    return "was killed by SIGKILL: the machine or a control group above had no memory left";
  if (info.si_code == CLD_EXITED) return fmt::format("ended with exit code {}", info.si_status);
  const char* const name = sigabbrev_np(info.si_status);
  return name == nullptr ? fmt::format("was killed by signal {}", info.si_status)
                         : fmt::format("was killed by SIG{}", name);
}

std::string Process::last_words() const {
  struct stat status {};
  if (fstat(words_fd_, &status) != 0 || status.st_size <= 0) return "";
  const auto bytes = std::min<off_t>(status.st_size, kLastWordsBytesMax);
  std::string words(static_cast<size_t>(bytes), '\0');
  const ssize_t got = pread(words_fd_, words.data(), words.size(), status.st_size - bytes);
  words.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return one_line(words);
}

void Process::trim_words() const {
  struct stat status {};
  if (fstat(words_fd_, &status) == 0 && status.st_size > kWordsBytesMax)
    (void)!ftruncate(words_fd_, 0);
}

std::string one_line(std::string_view text) {
  std::string line = text::repair(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  const size_t end = line.find_last_not_of(' ');
  return end == std::string::npos ? "" : line.substr(0, end + 1);
}

}  // namespace wiremill
