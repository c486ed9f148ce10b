// The state folder, held by this process alone. Used by the daemon when it starts.
#pragma once

#include <string>

#include "daemon/base/error.hpp"

namespace wiremill {

class StateFolder {
 public:
  // Makes the folder where there is none. Errors: Io, Locked.
  static Result<StateFolder> open(const std::string& path);
  StateFolder(StateFolder&& other) noexcept;
  StateFolder& operator=(StateFolder&&) = delete;
  // Lets go of it; a start that failed leaves no folder behind that it made.
  ~StateFolder();

  // The start succeeded: what it made stays.
  void keep() { made_.clear(); }

 private:
  StateFolder(int fd, std::string made) : fd_(fd), made_(std::move(made)) {}
  int fd_;
  std::string made_;  // the folder, where this start made it and has not succeeded yet
};

}  // namespace wiremill
