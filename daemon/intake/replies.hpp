// The intake's answers as bytes. Used by the intake, on the io thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/error.hpp"
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

// What a client is told of an error in its document or in the log.
v1::Nack::Code nack_code(ErrorCode code);

std::string encode_nack(const Refusal& refusal, uint64_t number);
std::string encode_accepted(uint64_t sequence, const std::string& id, bool repeat);

// Adds one entry to the encoded field Ack.accepted.
void append_accepted(uint64_t sequence, std::string_view id, uint64_t number, bool repeat,
                     std::string& accepted);
// `accepted`: by append_accepted.
std::string encode_ack(uint64_t durable_up_to, uint32_t credit, std::string_view accepted);

// {"ack":{"sequence":17,"id":"…"}}
std::string accepted_json(uint64_t sequence, const std::string& id);
// {"nack":{"id":"…","code":"BUSY","message":"…","retry_after_ms":100}}, the last for what can be
// tried again.
std::string nack_json(const Refusal& refusal);

}  // namespace wiremill
