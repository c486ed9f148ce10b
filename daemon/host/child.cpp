#include "daemon/host/child.hpp"

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
#include <cstdio>
#include <cstring>
#include <utility>

#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr off_t kWordsBytesMax = 32 << 10;
constexpr size_t kLastWordsBytesMax = 512;
// The child's own descriptors are moved above those it is to have, so that none is in another's way.
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

// An empty environment, nothing open but what is given, no signal blocked or ignored.
int spawn(const std::string& program, const std::string& plugin, const std::array<int, 4>& given,
          pid_t& pid) {
  SpawnPlan plan;
  posix_spawn_file_actions_addopen(&plan.files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&plan.files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const std::array<int, 4> wanted = {STDERR_FILENO, kMemoryFd, kToChildFd, kToDaemonFd};
  for (size_t i = 0; i < given.size(); ++i)
    posix_spawn_file_actions_adddup2(&plan.files, given[i], wanted[i]);
  posix_spawn_file_actions_addclosefrom_np(&plan.files, kToDaemonFd + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(&plan.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>(plugin.c_str()),
                             nullptr};
  char* const environment[] = {nullptr};
  return posix_spawn(&pid, program.c_str(), &plan.files, &plan.attributes, arguments, environment);
}

}  // namespace

Result<Child> Child::start(const std::string& program, const std::string& plugin) {
  auto channel = Channel::make();
  if (!channel) return tl::unexpected(std::move(channel).error());
  const int words_fd = memfd_create("wiremill-stage-words", MFD_CLOEXEC);
  if (words_fd < 0) return fail_errno(errno, "cannot make", "a stage's standard error");
  fcntl(words_fd, F_SETFL, O_APPEND);
  Child child(std::move(*channel), words_fd, -1, -1);
  std::array<int, 4> given = {words_fd, child.channel_.memory_fd(), child.channel_.to_child_fd(),
                              child.channel_.to_daemon_fd()};
  for (int& fd : given) fd = fcntl(fd, F_DUPFD_CLOEXEC, kFirstSpareFd);
  const int error = spawn(program, plugin, given, child.pid_);
  for (const int fd : given)
    if (fd >= 0) close(fd);
  if (error != 0) {
    child.pid_ = -1;
    return fail_errno(error, "cannot start", program);
  }
  child.pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0));
  if (child.pid_fd_ < 0) return fail_errno(errno, "cannot watch", program);
  return child;
}

Child::Child(Child&& other) noexcept
    : channel_(std::move(other.channel_)),
      words_fd_(std::exchange(other.words_fd_, -1)),
      pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);  // not reaped yet, so the number is still its own
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  for (const int fd : {words_fd_, pid_fd_})
    if (fd >= 0) close(fd);
}

Child::Wait Child::wait(int64_t timeout_ns) const {
  pollfd watched[] = {{channel_.to_daemon_fd(), POLLIN, 0}, {pid_fd_, POLLIN, 0}};
  const int64_t end_ns = monotonic_ns() + timeout_ns;
  for (;;) {
    const int64_t left_ns = std::max<int64_t>(end_ns - monotonic_ns(), 0);
    const timespec left = {left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    const int ready = ppoll(watched, 2, &left, nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::TimedOut;
    if ((watched[0].revents & POLLIN) == 0) return Wait::Ended;
    return wait_for_wake(channel_.to_daemon_fd()) ? Wait::Woken : Wait::Ended;
  }
}

int64_t Child::memory_bytes() const {
  const std::string path = fmt::format("/proc/{}/status", pid_);
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) return 0;
  char line[256];
  long long kib = 0;
  while (std::fgets(line, sizeof line, file.get()) != nullptr)
    if (std::sscanf(line, "RssAnon: %lld kB", &kib) == 1) break;
  return kib << 10;
}

void Child::kill() const { ::kill(pid_, SIGKILL); }

std::string Child::cause() const {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0)
    return "ended in an unknown way";
  if (info.si_code == CLD_EXITED)
    return fmt::format("ended its process with exit code {}", info.si_status);
  const char* const name = sigabbrev_np(info.si_status);
  return name == nullptr ? fmt::format("was killed by signal {}", info.si_status)
                         : fmt::format("was killed by SIG{}", name);
}

std::string Child::last_words() const {
  struct stat status {};
  if (fstat(words_fd_, &status) != 0 || status.st_size <= 0) return "";
  const auto bytes = std::min<off_t>(status.st_size, kLastWordsBytesMax);
  std::string words(static_cast<size_t>(bytes), '\0');
  const ssize_t got = pread(words_fd_, words.data(), words.size(), status.st_size - bytes);
  words.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  words = text::repair(words);
  for (char& c : words)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  const size_t end = words.find_last_not_of(' ');
  return end == std::string::npos ? "" : words.substr(0, end + 1);
}

void Child::trim_words() const {
  struct stat status {};
  if (fstat(words_fd_, &status) == 0 && status.st_size > kWordsBytesMax)
    (void)!ftruncate(words_fd_, 0);
}

}  // namespace wiremill
