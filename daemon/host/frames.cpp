#include "daemon/host/frames.hpp"

#include <cstring>

namespace wiremill {
namespace {

struct Head {
  uint32_t kind, document, key_bytes, value_bytes;
};
static_assert(sizeof(Head) == kFrameHeadBytes);

}  // namespace

void append_frame(const Frame& frame, std::string& to) {
  const Head head = {static_cast<uint32_t>(frame.kind), frame.document,
                     static_cast<uint32_t>(frame.key.size()),
                     static_cast<uint32_t>(frame.value.size())};
  to.append(reinterpret_cast<const char*>(&head), sizeof head);
  to += frame.key;
  to += frame.value;
}

std::optional<Frame> FrameReader::next() {
  Head head;
  if (rest_.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, rest_.data(), sizeof head);
  const std::string_view behind = rest_.substr(sizeof head);
  if (uint64_t{head.key_bytes} + head.value_bytes > behind.size()) return std::nullopt;
  rest_ = behind.substr(size_t{head.key_bytes} + head.value_bytes);
  return Frame{static_cast<Frame::Kind>(head.kind), head.document, behind.substr(0, head.key_bytes),
               behind.substr(head.key_bytes, head.value_bytes)};
}

}  // namespace wiremill
