#include "daemon/host/control_group.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

namespace wiremill {
namespace {

constexpr std::string_view kOwnGroup = "daemon", kStagePrefix = "stage-";
constexpr int kRemoveTries = 200;
constexpr useconds_t kRemoveAgainAfterUs = 5'000;

// The kernel's files are there, or cannot be made: O_CREAT is for plain folders that stand for groups.
Status write_file(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return fail_errno(errno, "cannot open", path);
  const ssize_t written = write(file, text.data(), text.size());
  const int error = written < 0 ? errno : 0;
  close(file);
  if (error != 0) return fail_errno(error, "cannot write", path);
  return {};
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool has_word(std::string_view text, std::string_view word) {
  std::istringstream words{std::string(text)};
  for (std::string each; words >> each;)
    if (each == word) return true;
  return false;
}

// The figure behind `name` in lines of "name figure".
uint64_t figure(const std::string& path, std::string_view name) {
  std::istringstream lines(read_file(path));
  uint64_t value = 0;
  for (std::string each; lines >> each >> value;)
    if (each == name) return value;
  return 0;
}

std::vector<pid_t> processes_of(const std::string& folder) {
  std::vector<pid_t> processes;
  std::istringstream lines(read_file(folder + "/cgroup.procs"));
  for (pid_t each = 0; lines >> each;) processes.push_back(each);
  return processes;
}

// Processes that were killed leave a moment later. What does not go at last is left behind.
void remove_group(const std::string& folder, bool kill) {
  for (int tries = 0; rmdir(folder.c_str()) != 0 && errno == EBUSY && tries < kRemoveTries;
       ++tries) {
    if (kill && tries == 0) (void)write_file(folder + "/cgroup.kill", "1");
    usleep(kRemoveAgainAfterUs);
  }
}

// A path as mountinfo writes it: \040 is a space.
std::string unescaped(std::string_view text) {
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t byte = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 4], byte, 8).ptr == &text[i + 4]) {
      path += static_cast<char>(byte);
      i += 3;
    } else {
      path += text[i];
    }
  }
  return path;
}

// Where the group of this process is mounted: "36 25 0:28 ROOT MOUNTED_AT options … - cgroup2 …".
std::optional<std::string> own_folder(const std::string& root) {
  std::istringstream groups(read_file(root + "/proc/self/cgroup"));
  std::string path;
  for (std::string line; std::getline(groups, line);)
    if (line.starts_with("0::/")) path = line.substr(3);
  if (path.empty() || path.starts_with("/..")) return std::nullopt;
  std::istringstream mounts(read_file(root + "/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash).starts_with(" - cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string skipped, shown, mounted_at;
    fields >> skipped >> skipped >> skipped >> shown >> mounted_at;
    shown = shown == "/" ? "" : unescaped(shown);
    const bool is_below =
        path.starts_with(shown) && (path.size() == shown.size() || path[shown.size()] == '/');
    if (!is_below || mounted_at.empty()) continue;
    const std::string below = path.substr(shown.size());
    return root + unescaped(mounted_at) + (below == "/" ? "" : below);
  }
  return std::nullopt;
}

bool may_write(const std::string& path) {
  return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

}  // namespace

Result<ControlGroup> ControlGroup::limit(std::string folder, bool memory, bool tasks,
                                         const StageConfig& limits) {
  ControlGroup group(std::move(folder), memory ? limits.memory_bytes_max : 0, tasks);
  const std::string prefix = group.folder_ + "/";
  if (memory) {
    WM_TRY(write_file(prefix + "memory.max", std::to_string(limits.memory_bytes_max)));
    WM_TRY(write_file(prefix + "memory.oom.group", "1"));
    if (access((prefix + "memory.swap.max").c_str(), F_OK) == 0)
      WM_TRY(write_file(prefix + "memory.swap.max", "0"));
  }
  if (tasks)
    WM_TRY(write_file(prefix + "pids.max", std::to_string(kThreadsMax * limits.processes)));
  return group;
}

ControlGroup::ControlGroup(ControlGroup&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      memory_bytes_max_(other.memory_bytes_max_),
      is_tasks_limited_(other.is_tasks_limited_) {}

ControlGroup::~ControlGroup() {
  if (!folder_.empty()) remove_group(folder_, false);
}

std::string ControlGroup::entrance() const { return folder_ + "/cgroup.procs"; }

std::vector<pid_t> ControlGroup::processes() const { return processes_of(folder_); }

uint64_t ControlGroup::tasks_refused() const { return figure(folder_ + "/pids.events", "max"); }

ControlGroup::MemoryEnd ControlGroup::memory_end() const {
  const std::string events = folder_ + "/memory.events";
  if (!limits_memory() || figure(events, "oom_kill") == 0) return MemoryEnd::None;
  // Which of the groups above it was full, if not the machine, is not told here.
  return figure(events, "oom") > 0 ? MemoryEnd::OverLimit : MemoryEnd::Elsewhere;
}

ControlGroups::ControlGroups(const std::string& root) {
  constexpr std::string_view kLooked = "looked at every 10 ms, not enforced by the kernel";
  Status entered = find(root);
  if (entered) entered = enter();
  if (!entered) {
    memory_ = tasks_ = false;
    report_ = fmt::format(
        "stages in processes of their own: memory_bytes_max, processes and threads are {}: {}",
        kLooked, entered.error().message);
  } else if (memory_ && tasks_) {
    report_ = fmt::format(
        "stages in processes of their own: memory_bytes_max and threads are enforced by the "
        "kernel, "
        "in {}; processes are looked at every 10 ms",
        folder_);
  } else {
    report_ = fmt::format(
        "stages in processes of their own: {} enforced by the kernel, in {}; {} {}, for it has no "
        "controller {}",
        memory_ ? "memory_bytes_max is" : "threads are", folder_,
        memory_ ? "processes and threads are" : "memory_bytes_max and processes are", kLooked,
        memory_ ? "pids" : "memory");
  }
}

// What there is, without a change to anything. The error says why it is not for this process.
Status ControlGroups::find(const std::string& root) {
  const auto folder = own_folder(root);
  if (!folder) return fail(ErrorCode::Unsupported, "there is no control group (cgroup v2) here");
  folder_ = *folder;
  const std::string controllers = read_file(folder_ + "/cgroup.controllers");
  memory_ = has_word(controllers, "memory");
  tasks_ = has_word(controllers, "pids");
  if (!memory_ && !tasks_)
    return fail(ErrorCode::Unsupported, "the control group {} has no controllers memory and pids",
                folder_);
  for (const char* const name : {"", "/cgroup.procs", "/cgroup.subtree_control"})
    if (!may_write(folder_ + name))
      return fail(ErrorCode::Unsupported, "the control group {} cannot be written", folder_);
  // What root may write need not be meant for it.
  if (access((root + "/run/systemd/system").c_str(), F_OK) == 0 &&
      getxattr(folder_.c_str(), "user.delegate", nullptr, 0) < 0)
    return fail(ErrorCode::Unsupported, "systemd has not delegated the control group {}", folder_);
  if (processes_of(folder_) != std::vector<pid_t>{getpid()})
    return fail(ErrorCode::Unsupported, "other processes are in the control group {}", folder_);
  return {};
}

Status ControlGroups::enter() {
  const std::string inner = fmt::format("{}/{}", folder_, kOwnGroup);
  if (mkdir(inner.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(errno, "cannot make", inner);
  WM_TRY(write_file(inner + "/cgroup.procs", std::to_string(getpid())));
  if (const Status enabled =
          write_file(folder_ + "/cgroup.subtree_control",
                     fmt::format("{}{}", memory_ ? "+memory " : "", tasks_ ? "+pids" : ""));
      !enabled) {
    (void)write_file(folder_ + "/cgroup.procs", std::to_string(getpid()));
    rmdir(inner.c_str());
    return enabled;
  }
  std::error_code ignored;
  std::vector<std::string> left;
  for (std::filesystem::directory_iterator entry(folder_, ignored), end; !ignored && entry != end;
       entry.increment(ignored))
    if (entry->path().filename().string().starts_with(kStagePrefix))
      left.push_back(entry->path().string());
  for (const std::string& folder : left) remove_group(folder, true);
  return {};
}

Result<std::optional<ControlGroup>> ControlGroups::make(const StageConfig& limits) {
  if (!memory_ && !tasks_) return std::nullopt;
  for (;;) {
    std::string folder = fmt::format("{}/{}{}-{}", folder_, kStagePrefix, limits.name, ++made_);
    if (mkdir(folder.c_str(), 0755) == 0)
      return ControlGroup::limit(std::move(folder), memory_, tasks_, limits);
    if (errno != EEXIST) return fail_errno(errno, "cannot make", folder);
  }
}

ControlGroups& control_groups() {
  static ControlGroups groups;
  return groups;
}

}  // namespace wiremill
