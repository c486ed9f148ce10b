// The daemon's own log: text on a terminal, one JSON object a line otherwise, to standard error.
// Any thread. (spdlog does the work; its headers stay in logging.cpp.)
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace wiremill {

enum class LogLevel { Debug, Info, Warning, Error };

// `level`: debug, info, warning or error. `format`: auto, text or json. Called once, before threads
// start; both words have been checked by whoever read them.
void start_logging(std::string_view level, std::string_view format);

// From now on, one of the same words. Any thread.
void set_log_level(std::string_view level);

void log_line(LogLevel level, std::string_view message);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace wiremill
