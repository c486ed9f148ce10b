// What a plugin's process and the daemon tell each other in a call: frames, one behind the other, each a
// head of 16 bytes and then a key and a value. What is many or large passes through them as it is: a
// document brings dozens of changes of state, and kilobytes of text; whatever has a shape of its own is
// one protobuf message in a frame. Both ends come from one build. Stateless; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wiremill {

struct Frame {
  enum class Kind : uint32_t {
    // child to daemon
    Event,   // value: a StageEvent
    Put,     // of the document: key, value
    Remove,  // of the document: key
    Text,    // of the document: key: the field, WM_TITLE or another, in one byte; value
    Carry,   // of the document: value
    // daemon to child, in answer to a Get: as many as fit, at least one; or to a Scan: as many as fit
    Found,    // value
    Missing,  // there is no such key
    Entry,    // key, value
    More,     // there are entries behind the last one
    Refused,  // nothing else follows; value: WM_ERROR_*, in decimal
  };
  Kind kind = Kind::Event;
  uint32_t document = 0;  // index in the call
  std::string_view key, value;
};

inline constexpr size_t kFrameHeadBytes = 16;

void append_frame(const Frame& frame, std::string& to);

// Reads frames, which point into `bytes`. Believes nothing that stands there.
class FrameReader {
 public:
  explicit FrameReader(std::string_view bytes) : rest_(bytes) {}
  // Nothing where no whole frame is left.
  std::optional<Frame> next();
  // What was not read.
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace wiremill
