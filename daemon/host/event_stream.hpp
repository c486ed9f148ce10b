// What a plugin's process says in one call, as it arrives piece by piece (channel.hpp), passed on
// to the batch's own functions. Believes nothing that stands there. Made for the call; its thread.
#pragma once

#include <google/protobuf/arena.h>

#include <string>
#include <string_view>

#include "daemon/host/child.hpp"
#include "daemon/host/frames.hpp"
#include "daemon/host/replay.hpp"

namespace wiremill {

class EventStream {
 public:
  // `own_event` hears first of what comes as a message. Both outlive this.
  EventStream(Replay& replay, const Child::OwnEvent& own_event)
      : replay_(replay), own_event_(own_event) {}

  // Takes the next piece, at most kOutboxBytes, which shall end with a whole event where it is
  // `whole`. Copied first: nothing is looked at twice where the child may write. False: the child
  // does not keep to the rules.
  bool read(std::string_view piece, bool whole);
  // The Get or the Scan that stood in the last piece; empty where none did.
  const v1::StageEvent& asked() const { return asked_; }

 private:
  bool take(const Frame& frame, google::protobuf::Arena& arena);

  Replay& replay_;
  const Child::OwnEvent& own_event_;
  std::string unread_;
  v1::StageEvent asked_;
};

}  // namespace wiremill
