// What the commands share in speaking to a person: colour, the progress bar, errors, Ctrl-C. Main
// thread unless said otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/config/config.hpp"

namespace wiremill::cli {

// Ctrl-C and SIGTERM set interrupted() instead of ending the program; the second one ends it.
void prepare_signals();
bool interrupted();

// Colour for standard output: only on a terminal, and not where NO_COLOR is set (no-color.org).
class Style {
 public:
  Style();
  std::string bold(std::string_view text) const { return paint("1", text); }
  std::string dim(std::string_view text) const { return paint("2", text); }
  std::string red(std::string_view text) const { return paint("31", text); }
  std::string green(std::string_view text) const { return paint("32", text); }
  std::string yellow(std::string_view text) const { return paint("33", text); }
  std::string cyan(std::string_view text) const { return paint("36", text); }
  bool terminal() const { return terminal_; }
  // Columns of the terminal; 100 where there is none.
  size_t width() const { return width_; }

 private:
  std::string paint(std::string_view code, std::string_view text) const;
  bool terminal_ = false, colour_ = false;
  size_t width_ = 100;
};

// The first `columns` characters of `text` on one line, with … where something was cut.
std::string shortened(std::string_view text, size_t columns);

// A bar on standard error where that is a terminal, redrawn at most ten times a second and wiped
// away before other output; else nothing.
class Progress {
 public:
  // `total` 0: not known, only the count is shown.
  Progress(std::string what, uint64_t total);
  ~Progress();
  void update(uint64_t done);

 private:
  void draw(uint64_t done);
  const std::string what_;
  const uint64_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point drawn_{};
};

// `wiremill: message` on standard error.
void print_error(std::string_view message);
// Every error of a configuration, a line each; answers 78.
int print_config_errors(const ConfigErrors& errors);

// Writes all of `text` to standard output. Errors: Io (also a closed pipe).
Status write_out(std::string_view text);

// The configuration named, or the embedded default for an empty path. Prints its errors.
tl::expected<Config, int> read_config(const std::string& path);

}  // namespace wiremill::cli
