// What a stage said in its own process, said again to the batch's own functions: every rule of the
// contract is checked where it is for a stage inside the daemon. Made for one call; its thread.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <span>
#include <utility>

#include "daemon/host/messages.hpp"
#include "wiremill/v1/stage.pb.h"

namespace wiremill {

class Replay {
 public:
  // `documents`: for each document of the call its index in `batch`. Both outlive this.
  Replay(const wm_batch& batch, std::span<const uint32_t> documents)
      : batch_(batch), documents_(documents) {}

  // A verdict, an annotation, a change of state. False: no such document, or nothing of these.
  bool take(const v1::StageEvent& event);
  // Whether a function of the batch refused any that was taken since this was last asked.
  bool refused() { return std::exchange(refused_, false); }
  // To a Get or a Scan: as much as a message holds. False: neither, or no state in this call.
  bool answer(const v1::StageEvent& asked, v1::StageReply& reply);

 private:
  int32_t take_paragraphs(uint32_t document, const v1::StageEvent::Paragraphs& paragraphs);

  const wm_batch& batch_;
  const std::span<const uint32_t> documents_;
  bool refused_ = false;
};

}  // namespace wiremill
