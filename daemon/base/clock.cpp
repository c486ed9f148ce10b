#include "daemon/base/clock.hpp"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

namespace wiremill {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

// Reads exactly `digits` digits at `at` and moves past them; -1 where there are none.
int read_digits(std::string_view text, size_t& at, size_t digits) {
  if (text.size() < at + digits) return -1;
  int value = 0;
  for (size_t i = 0; i < digits; ++i, ++at) {
    if (text[at] < '0' || text[at] > '9') return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

bool read_char(std::string_view text, size_t& at, std::string_view allowed) {
  if (at >= text.size() || allowed.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

}  // namespace

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::string format_time(int64_t time_us) {
  const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds(time_us)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (const auto fraction = clock.subseconds().count(); fraction != 0) {
    std::string digits = fmt::format("{:06}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += '.' + digits;
  }
  return text + 'Z';
}

std::optional<int64_t> parse_time(std::string_view text) {
  size_t at = 0;
  const int year = read_digits(text, at, 4);
  if (year < 1 || !read_char(text, at, "-")) return std::nullopt;
  const int month = read_digits(text, at, 2);
  if (month < 0 || !read_char(text, at, "-")) return std::nullopt;
  const int day = read_digits(text, at, 2);
  const std::chrono::year_month_day date{
      std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
      std::chrono::day{static_cast<unsigned>(day < 0 ? 0 : day)}};
  if (!date.ok()) return std::nullopt;
  int64_t time_us =
      std::chrono::duration_cast<std::chrono::microseconds>(sys_days{date}.time_since_epoch())
          .count();
  if (at == text.size()) return time_us;

  if (!read_char(text, at, "Tt ")) return std::nullopt;
  const int hour = read_digits(text, at, 2);
  if (hour < 0 || hour > 23 || !read_char(text, at, ":")) return std::nullopt;
  const int minute = read_digits(text, at, 2);
  if (minute < 0 || minute > 59) return std::nullopt;
  int second = 0;
  if (read_char(text, at, ":")) {
    second = read_digits(text, at, 2);
    if (second < 0 || second > 60) return std::nullopt;
    if (read_char(text, at, ".")) {
      int64_t scale = 100'000;
      const size_t first = at;
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
        time_us += (text[at] - '0') * scale;
      if (at == first) return std::nullopt;
    }
  }
  time_us += ((hour * 60 + minute) * 60LL + second) * 1'000'000;

  if (read_char(text, at, "Zz")) return at == text.size() ? std::optional(time_us) : std::nullopt;
  if (at >= text.size()) return std::nullopt;
  const bool east = text[at] == '+';
  if (!read_char(text, at, "+-")) return std::nullopt;
  const int offset_hours = read_digits(text, at, 2);
  read_char(text, at, ":");
  const int offset_minutes = read_digits(text, at, 2);
  if (offset_hours < 0 || offset_hours > 23 || offset_minutes < 0 || offset_minutes > 59 ||
      at != text.size())
    return std::nullopt;
  const int64_t offset_us = (offset_hours * 60 + offset_minutes) * 60'000'000LL;
  return east ? time_us - offset_us : time_us + offset_us;
}

}  // namespace wiremill
