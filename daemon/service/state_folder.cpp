#include "daemon/service/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace wiremill {

Result<StateFolder> StateFolder::open(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return fail(ErrorCode::Io, "make state folder {}: {}", path, error.message());
  const std::string lock_path = path + "/LOCK";
  const int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return fail_errno(errno, "open", lock_path);
  StateFolder folder(fd, made ? path : "");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorCode::Locked, "state folder {} is in use by another wiremilld", path);
  return folder;
}

StateFolder::StateFolder(StateFolder&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), made_(std::exchange(other.made_, "")) {}

StateFolder::~StateFolder() {
  std::error_code ignored;
  if (!made_.empty()) std::filesystem::remove_all(made_, ignored);
  if (fd_ >= 0) close(fd_);
}

}  // namespace wiremill
