// A fuzz input read as a script: each command is the byte 0xff, a letter, and what follows up to the
// next command. Marks instead of lengths, so that a mutation inside one command leaves the others as
// they were. Used by the targets whose subject has a state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wiremill::fuzz {

struct Command {
  char what = 0;
  std::string_view argument;
  // Byte `index` of the argument, 0 behind its end.
  uint8_t byte(size_t index) const {
    return index < argument.size() ? static_cast<uint8_t>(argument[index]) : 0;
  }
  std::string_view behind(size_t bytes) const {
    return argument.substr(bytes < argument.size() ? bytes : argument.size());
  }
};

inline size_t next_mark(std::string_view script, size_t from) {
  for (size_t at = from; (at = script.find('\xff', at)) != script.npos; ++at) {
    const char letter = at + 1 < script.size() ? static_cast<char>(script[at + 1] | 0x20) : '\0';
    if (letter >= 'a' && letter <= 'z') return at;
  }
  return script.size();
}

// Calls `run(command)` for each; bytes before the first mark are passed over.
template <class Run>
void run_script(const uint8_t* data, size_t size, const Run& run) {
  const std::string_view script(reinterpret_cast<const char*>(data), size);
  for (size_t at = next_mark(script, 0); at < script.size();) {
    const size_t end = next_mark(script, at + 2);
    run(Command{script[at + 1], script.substr(at + 2, end - at - 2)});
    at = end;
  }
}

}  // namespace wiremill::fuzz
