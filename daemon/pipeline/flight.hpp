// A document in flight: what was submitted, what the stages made of it so far, and its outcome.
// Owned by one batch, touched by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/text/segmenter.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {

// A change that a settle made: recorded beside the result, then entered into the state store.
struct FlightChange {
  size_t space = 0;  // of the state store
  std::string key;
  bool removed = false;
  std::string value;
};

// What a flight was before a stage's process, kept where its settle may yet be undone.
struct FlightBefore {
  v1::Result result;
  Annotations provided = 0;
};

struct Flight {
  std::string record;  // of the intake log, as it stood there; empty where it was damaged
  v1::Document document;
  int64_t accepted_at_us = 0;
  uint64_t first_sequence = 0;  // under which it was first tried: its own, where it is no retry
  v1::Result result;            // status UNSPECIFIED while it is in the line
  Annotations provided = 0;     // by the stages that it has passed
  text::Segmentation segmentation;
  // Of the stage that is between process and settle.
  std::string carry;
  bool left_out = false;  // by its condition, or by its error: settle is not for it either
  std::unique_ptr<FlightBefore> before;
  std::vector<FlightChange> changes;
  // About how many bytes of memory all that was said of it by stages takes.
  int64_t said_bytes = 0;

  uint64_t sequence() const { return result.sequence(); }
  bool in_line() const { return result.status() == v1::Result::STATUS_UNSPECIFIED; }
  // Ends the flight as DROPPED or DEAD.
  void leave(v1::Result::Status status, std::string_view stage, std::string_view code,
             std::string_view message, uint32_t attempts);
};

// From a record of the intake log. A record that cannot be read is a flight that is already DEAD
// with code LOG_DAMAGED.
Flight flight_from_record(uint64_t sequence, bool damaged, std::string record);

}  // namespace wiremill
