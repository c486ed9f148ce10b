// The intake's answers as bytes. Used by the intake, on the io thread.
#pragma once

#include <cstdint>
#include <string>

#include "wiremill/v1/intake.pb.h"

namespace wiremill {

// Why a document was not taken.
struct Refusal {
  v1::Nack::Code code = v1::Nack::CODE_UNSPECIFIED;
  std::string message;
  uint32_t retry_after_ms = 0;
  std::string id{};

  // The document itself is at fault; sending it again does not help.
  bool is_final() const;
};

std::string encode_nack(const Refusal& refusal, uint64_t number);
std::string encode_accepted(uint64_t sequence, const std::string& id, bool repeat);

// {"ack":{"sequence":17,"id":"…"}}
std::string accepted_json(uint64_t sequence, const std::string& id);
// {"nack":{"id":"…","code":"BUSY","message":"…","retry_after_ms":100}}, the last for what can be
// tried again.
std::string nack_json(const Refusal& refusal);

}  // namespace wiremill
