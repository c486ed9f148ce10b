// What a stage said in its own process, said again to the batch's own functions: every rule of the
// contract is checked where it is for a stage inside the daemon. Made for one call; its thread.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "daemon/host/messages.hpp"
#include "wiremill/v1/stage.pb.h"

namespace wiremill {

// Takes what a Get or a Scan asked for, as much as fits.
class StateAnswer {
 public:
  virtual ~StateAnswer() = default;
  virtual void value(bool is_found, wm_view value) = 0;
  virtual void entry(wm_view key, wm_view value) = 0;
  virtual void more() = 0;  // there are entries behind the last one
  virtual void refused(int32_t error) = 0;
};

class Replay {
 public:
  // `documents`: for each document of the call its index in `batch`. Both outlive this.
  Replay(const wm_batch& batch, std::span<const uint32_t> documents)
      : batch_(batch), documents_(documents) {}

  // A verdict, an annotation, a change of state. False: no such document, or nothing of these.
  bool take(const v1::StageEvent& event);
  // The same for what comes without a message. A change of state without a value removes the key; it is
  // false, too, where there is no state in this call.
  bool change(uint32_t document, wm_view key, std::optional<wm_view> value);
  bool text(uint32_t document, uint32_t field, wm_view value);
  bool carry(uint32_t document, wm_view bytes);
  // Whether a function of the batch refused any that was taken since this was last asked.
  bool refused() { return std::exchange(refused_, false); }
  // To a Get or a Scan. False: neither, or no state in this call.
  bool answer(const v1::StageEvent& asked, StateAnswer& answer);

 private:
  int32_t take_paragraphs(uint32_t document, const v1::StageEvent::Paragraphs& paragraphs);

  const wm_batch& batch_;
  const std::span<const uint32_t> documents_;
  bool refused_ = false;
};

}  // namespace wiremill
