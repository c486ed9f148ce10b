// See replies.hpp.
#include "daemon/intake/replies.hpp"

#include "daemon/document/result_json.hpp"

namespace wiremill {

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
