// Work that a plugin may ruin, done in a child: a fork of this process that may crash, hang, exit or
// fill the memory, and whose end and last words are told here. The parent must have one thread.
//
// The note_* functions are for the child: what stands there when it ends is told with its end. Any
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/error.hpp"

namespace wiremill::check {

struct Ended {
  bool passed = false;
  std::string detail;  // what the work found, or how the child ended and what it was at
  std::string words;   // the end of what it wrote to standard output and error, where it failed
  std::string input;   // as note_input left it, where it failed
  double seconds = 0;
};

struct ChildLimits {
  int64_t deadline_ms = 120'000;
  int64_t memory_bytes_max = 4LL << 30;  // without effect in sanitizers
};

// What the work answers is its finding, its error that it failed. `go_on` is asked ten times a second;
// the child is killed when it says no.
Ended run_in_child(const ChildLimits& limits, const std::function<Result<std::string>()>& work,
                   const std::function<bool()>& go_on);

// What goes on, for a person: "a batch of 1000 documents".
void note_doing(std::string_view what);
// Which function of the plugin runs and which document it is at; "" after its return.
void note_call(std::string_view function, std::string_view document);
// The document that is tried.
inline constexpr size_t kInputBytesMax = 1 << 20;
void note_input(std::string_view bytes);

// Ends the child as failed, with these words, unless it is destroyed or restarted in time.
class Alarm {
 public:
  Alarm(int64_t after_ms, std::string words);
  ~Alarm();
  void restart();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill::check
