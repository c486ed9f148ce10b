#include "daemon/host/proc_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace wiremill {
namespace {

std::string read_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  std::string text(4096, '\0');
  const ssize_t got = read(file, text.data(), text.size());
  close(file);
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

// The figure behind `name`, in bytes.
int64_t kib_of(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  return std::strtoll(text.data() + at + name.size(), nullptr, 10) << 10;
}

// What /proc/PID/stat says behind the name, "12 (name) S parent group …", which may hold anything.
std::string stat_behind_name(pid_t process) {
  const std::string text = read_file(fmt::format("/proc/{}/stat", process));
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos ? "" : text.substr(name_end + 1);
}

}  // namespace

int64_t address_bytes(pid_t process) {
  return std::strtoll(read_file(fmt::format("/proc/{}/statm", process)).c_str(), nullptr, 10) *
         sysconf(_SC_PAGESIZE);
}

int64_t memory_bytes(pid_t process, int64_t given_bytes) {
  const std::string text = read_file(fmt::format("/proc/{}/status", process));
  return kib_of(text, "\nRssAnon:") + kib_of(text, "\nVmSwap:") +
         std::max<int64_t>(kib_of(text, "\nRssShmem:") - given_bytes, 0);
}

int64_t proportional_bytes(pid_t process, int64_t given_bytes) {
  const std::string text = read_file(fmt::format("/proc/{}/smaps_rollup", process));
  return kib_of(text, "\nPss_Anon:") + kib_of(text, "\nSwapPss:") +
         std::max<int64_t>(kib_of(text, "\nPss_Shmem:") - given_bytes, 0);
}

uint32_t count_threads(pid_t process) {
  struct stat status {};
  // Beside its threads: itself and the folder above.
  if (stat(fmt::format("/proc/{}/task", process).c_str(), &status) != 0) return 0;
  return status.st_nlink < 2 ? 0 : static_cast<uint32_t>(status.st_nlink - 2);
}

int64_t cpu_ns_with_children(pid_t process) {
  long long own = 0, own_kernel = 0, waited = 0, waited_kernel = 0;
  if (std::sscanf(stat_behind_name(process).c_str(),
                  " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld", &own,
                  &own_kernel, &waited, &waited_kernel) != 4)
    return 0;
  return (own + own_kernel + waited + waited_kernel) * (1'000'000'000 / sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> group_members(pid_t group) {
  std::vector<pid_t> members;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    pid_t process = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), process).ec != std::errc())
      continue;
    char state = 'Z';
    int parent = 0, its_group = 0;
    if (std::sscanf(stat_behind_name(process).c_str(), " %c %d %d", &state, &parent, &its_group) !=
        3)
      continue;
    if (its_group == group && state != 'Z' && state != 'X') members.push_back(process);
  }
  return members;
}

std::string newest_process() {
  const std::string text = read_file("/proc/loadavg");
  return text.substr(text.rfind(' ') + 1);
}

}  // namespace wiremill
