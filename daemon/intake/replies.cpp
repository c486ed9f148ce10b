// See replies.hpp.
#include "daemon/intake/replies.hpp"

#include "daemon/document/result_json.hpp"

namespace wiremill {
namespace {

void append_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// Proto3: zero is said by absence.
void append_number(int field, uint64_t value, std::string& out) {
  if (value == 0) return;
  append_varint(static_cast<uint64_t>(field) << 3, out);
  append_varint(value, out);
}

void append_bytes(int field, std::string_view bytes, std::string& out) {
  append_varint(static_cast<uint64_t>(field) << 3 | 2, out);
  append_varint(bytes.size(), out);
  out += bytes;
}

}  // namespace

v1::Nack::Code nack_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::TooLarge: return v1::Nack::TOO_LARGE;
    case ErrorCode::Unsupported: return v1::Nack::UNSUPPORTED;
    case ErrorCode::Busy: return v1::Nack::BUSY;
    case ErrorCode::Malformed: return v1::Nack::MALFORMED;
    case ErrorCode::NoSpace: return v1::Nack::NO_SPACE;
    default: return v1::Nack::READ_ONLY;
  }
}

bool Refusal::is_final() const {
  switch (code) {
    case v1::Nack::TOO_LARGE:
    case v1::Nack::MALFORMED:
    case v1::Nack::UNSUPPORTED:
    case v1::Nack::NUMBER_REUSED: return true;
    default: return false;
  }
}

std::string encode_nack(const Refusal& refusal, uint64_t number) {
  v1::IntakeReply reply;
  v1::Nack* nack = reply.mutable_nack();
  nack->set_number(number);
  nack->set_id(refusal.id);
  nack->set_code(refusal.code);
  nack->set_message(refusal.message);
  nack->set_retry_after_ms(refusal.retry_after_ms);
  return reply.SerializeAsString();
}

std::string encode_accepted(uint64_t sequence, const std::string& id, bool repeat) {
  v1::IntakeReply reply;
  v1::Accepted* accepted = reply.mutable_accepted();
  accepted->set_sequence(sequence);
  accepted->set_id(id);
  accepted->set_repeat(repeat);
  return reply.SerializeAsString();
}

// By hand: as messages, the entries of one acknowledgement would be dozens of allocations.
void append_accepted(uint64_t sequence, std::string_view id, uint64_t number, bool repeat,
                     std::string& accepted) {
  using v1::Accepted;
  std::string entry;
  append_number(Accepted::kSequenceFieldNumber, sequence, entry);
  if (!id.empty()) append_bytes(Accepted::kIdFieldNumber, id, entry);
  append_number(Accepted::kNumberFieldNumber, number, entry);
  append_number(Accepted::kRepeatFieldNumber, repeat ? 1 : 0, entry);
  append_bytes(v1::Ack::kAcceptedFieldNumber, entry, accepted);
}

std::string encode_ack(uint64_t durable_up_to, uint32_t credit, std::string_view accepted) {
  std::string ack;
  ack.reserve(accepted.size() + 32);
  append_number(v1::Ack::kDurableUpToFieldNumber, durable_up_to, ack);
  append_number(v1::Ack::kCreditFieldNumber, credit, ack);
  ack += accepted;
  std::string reply;
  reply.reserve(ack.size() + 16);
  append_bytes(v1::IntakeReply::kAckFieldNumber, ack, reply);
  return reply;
}

std::string accepted_json(uint64_t sequence, const std::string& id) {
  std::string json = "{\"ack\":{\"sequence\":" + std::to_string(sequence) + ",\"id\":";
  append_json_string(id, json);
  return json + "}}";
}

std::string nack_json(const Refusal& refusal) {
  std::string json = "{\"nack\":{\"id\":";
  append_json_string(refusal.id, json);
  json += ",\"code\":\"" + v1::Nack::Code_Name(refusal.code) + "\",\"message\":";
  append_json_string(refusal.message, json);
  if (!refusal.is_final()) json += ",\"retry_after_ms\":" + std::to_string(refusal.retry_after_ms);
  return json + "}}";
}

}  // namespace wiremill
