#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "daemon/pipeline/line.hpp"

namespace wiremill::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void on_signal(int signal) {
  g_interrupted = 1;
  std::signal(signal, SIG_DFL);
}

void write_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

// Whether a progress bar stands on the terminal's last line: other output wipes it away first.
bool g_bar_shown = false;

void wipe_bar() {
  if (std::exchange(g_bar_shown, false)) write_error("\r\x1b[K");
}

}  // namespace

void prepare_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return g_interrupted != 0; }

Style::Style() {
  terminal_ = isatty(STDOUT_FILENO) != 0;
  if (!terminal_) return;
  const char* no_color = std::getenv("NO_COLOR");
  colour_ = no_color == nullptr || *no_color == '\0';
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) width_ = size.ws_col;
}

std::string Style::paint(std::string_view code, std::string_view text) const {
  return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string shortened(std::string_view text, size_t columns) {
  std::string out;
  size_t shown = 0;
  for (size_t i = 0; i < text.size();) {
    size_t next = i + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) ++next;
    if (shown + 1 >= columns && next < text.size()) return out + "…";
    // Control characters could move the cursor or change colours.
    const bool control = static_cast<unsigned char>(text[i]) < 0x20 || text[i] == 0x7f;
    out += control ? std::string_view(" ") : text.substr(i, next - i);
    ++shown;
    i = next;
  }
  return out;
}

Progress::Progress(std::string what, uint64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      began_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { wipe_bar(); }

void Progress::update(uint64_t done) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  draw(done);
}

void Progress::draw(uint64_t done) {
  constexpr size_t kCells = 24;
  const double seconds = std::chrono::duration<double>(drawn_ - began_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line = "\r\x1b[K" + what_;
  if (total_ > 0) {
    const size_t full = std::min(kCells, static_cast<size_t>(kCells * done / total_));
    line += " [";
    for (size_t i = 0; i < kCells; ++i) line += i < full ? "█" : "·";
    line += fmt::format("] {}/{}", done, total_);
  } else {
    line += fmt::format(" {}", done);
  }
  write_error(line + fmt::format("  {:.0f}/s", rate));
  g_bar_shown = true;
}

void print_error(std::string_view message) {
  wipe_bar();
  write_error(fmt::format("wiremill: {}\n", message));
}

int print_config_errors(const ConfigErrors& errors) {
  for (const ConfigError& error : errors)
    write_error(fmt::format("{}: {}\n", error.where, error.message));
  return wiremill::exit_code(ErrorCode::Config);
}

Status write_out(std::string_view text) {
  if (!text.empty()) wipe_bar();
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0)
      text.remove_prefix(static_cast<size_t>(written));
    else if (errno != EINTR)
      return fail_errno(errno, "write", "standard output");
  }
  return {};
}

tl::expected<Config, int> read_config(const std::string& path) {
  auto config = path.empty() ? parse_config(default_config_yaml(), "default configuration")
                             : load_config(path);
  if (!config) return tl::unexpected(print_config_errors(all_errors(config.error())));
  return std::move(*config);
}

}  // namespace wiremill::cli
