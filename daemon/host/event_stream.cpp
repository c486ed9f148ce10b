#include "daemon/host/event_stream.hpp"

#include "daemon/host/answer_checks.hpp"
#include "daemon/host/channel.hpp"

namespace wiremill {
namespace {

// Of one event: as a message an annotation has at most twice the bytes of its structs.
constexpr size_t kUnreadBytesMax = 2 * kAnnotationBytesMax + kOutboxBytes;

}  // namespace

bool EventStream::read(std::string_view piece, bool whole) {
  unread_ += piece;
  asked_.Clear();
  FrameReader frames(unread_);
  google::protobuf::Arena arena;  // an event is taken apart at once
  while (const auto frame = frames.next())
    if (!take(*frame, arena)) return false;
  unread_.erase(0, unread_.size() - frames.rest().size());
  return unread_.size() <= kUnreadBytesMax && (!whole || unread_.empty());
}

bool EventStream::take(const Frame& frame, google::protobuf::Arena& arena) {
  switch (frame.kind) {
    case Frame::Kind::Put:
      return replay_.change(frame.document, view_of(frame.key), view_of(frame.value));
    case Frame::Kind::Remove:
      return replay_.change(frame.document, view_of(frame.key), std::nullopt);
    case Frame::Kind::Text:
      return frame.key.size() == 1 &&
             replay_.text(frame.document, static_cast<unsigned char>(frame.key[0]),
                          view_of(frame.value));
    case Frame::Kind::Carry: return replay_.carry(frame.document, view_of(frame.value));
    case Frame::Kind::Event: break;
    default: return false;
  }
  auto& event = *google::protobuf::Arena::CreateMessage<v1::StageEvent>(&arena);
  if (!event.ParseFromArray(frame.value.data(), static_cast<int>(frame.value.size()))) return false;
  if (!event.has_get() && !event.has_scan()) return own_event_(event) || replay_.take(event);
  asked_ = event;
  return true;
}

}  // namespace wiremill
