// The intake under a script, for the fuzz target intake.cpp. Checks every answer as it is sent.
//
//   M p bytes   a message from connection p begins with this frame; its next frames: F bytes
//   P bytes     a firehose message begins with this frame
//   H p c n     connection p says HELLO as client c, settled up to n
//   N p n bytes connection p sends document number n
//   J p bytes   connection p sends a bare JSON document
//   S           what was appended becomes durable, and is answered
//   T           time passes: ticks
//   B b         the log is busy from now on, or no longer
//   E           the log fails for good
//   R           the process is killed and started again
#pragma once

#include <rapidjson/document.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/intake/intake.hpp"
#include "daemon/text/utf8.hpp"
#include "tests/fuzz/memory_log.hpp"
#include "tests/fuzz/script.hpp"
#include "tests/fuzz/scripted_sockets.hpp"
#include "wiremill/v1/intake.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill::fuzz {

class IntakeScript {
 public:
  IntakeScript() : log_(Log::open({}).value()) {
    memory_log = {};
    open();
  }
  ~IntakeScript() { close(); }

  void apply(const Command& command) {
    if (command.what == 'F') {
      if (!message_.empty()) message_.emplace_back(command.argument);
      return;
    }
    send();
    const std::string peer{'\0', static_cast<char>(command.byte(0) & 3)};
    switch (command.what) {
      case 'M': message_ = {peer, std::string(command.behind(1))}; return;
      case 'P':
        firehose_ = true;
        message_ = {std::string(command.argument)};
        return;
      case 'H': message_ = {peer, "WM1", hello(command)}; return send();
      case 'N':
        message_ = {peer, "WM1", put(command.byte(1)), std::string(command.behind(2))};
        return send();
      case 'J':
        message_ = {peer, "application/json", std::string(command.behind(1))};
        return send();
      case 'S': memory_log.durable = memory_log.records.size(); return run_turns();
      case 'T': return run_ticks();
      case 'B': memory_log.busy = (command.byte(0) & 1) != 0; return;
      case 'E': memory_log.failed = true; return;
      case 'R':
        close();
        memory_log.records.resize(memory_log.durable);
        memory_log.failed = memory_log.busy = false;
        return open();
      default: return;
    }
  }

  // Everything that is still due is answered.
  void finish() {
    send();
    if (!memory_log.failed) memory_log.durable = memory_log.records.size();
    run_turns();
    run_ticks();
    run_turns();
    for (const auto& [peer, count] : unanswered_) WM_INVARIANT(count == 0);
    WM_INVARIANT(intake_->counters().waiting == 0);
    WM_INVARIANT(intake_->counters().accepted == memory_log.records.size());
  }

 private:
  static std::string hello(const Command& command) {
    v1::IntakeRequest request;
    request.mutable_hello()->set_client(
        std::string(1, static_cast<char>('a' + (command.byte(1) & 7))));
    request.mutable_hello()->set_session(command.byte(1) >> 3);
    request.mutable_hello()->set_settled_up_to(command.byte(2));
    return request.SerializeAsString();
  }
  static std::string put(uint8_t number) {
    v1::IntakeRequest request;
    request.mutable_put()->set_number(number & 0x7f);
    if ((number & 0x80) != 0) request.mutable_put()->set_content_type("application/json");
    return request.SerializeAsString();
  }

  void open() {
    IntakeOptions options;
    options.firehose_endpoint = "scripted";
    options.document_bytes_max = 1024;
    options.credit = 8;
    options.bare_outstanding_max = 4;
    options.clients_max = 3;
    options.idempotency_documents_max = 16;
    scripted_sockets = {};
    scripted_sockets.on_send = [this](const zmq::socket_t&, auto frames) { return sent(frames); };
    unanswered_.clear();
    intake_ = Intake::open(options, scripted_loop(), *log_).value();
    WM_INVARIANT(intake_->counters().damaged_records == 0);
  }
  void close() {
    closing_ = true;
    intake_.reset();
    closing_ = false;
  }

  void send() {
    if (message_.empty()) return;
    if (!firehose_ && message_.size() <= kFramesMax && !is_numbered()) ++unanswered_[message_[0]];
    // The intake binds the firehose first.
    deliver(firehose_ ? 0 : 1, message_);
    message_.clear();
    firehose_ = false;
  }
  bool is_numbered() const {
    const size_t begin = message_.size() > 1 && message_[1].empty() ? 2 : 1;
    return message_.size() > begin && message_[begin] == "WM1";
  }

  Sent sent(std::span<const zmq::message_t> frames) {
    WM_INVARIANT(frames.size() >= 2);
    const std::string peer = frames[0].to_string();
    frames = frames.subspan(frames[1].size() == 0 ? 2 : 1);
    const std::string_view payload = frames.back().to_string_view();
    WM_INVARIANT(frames.size() <= 2 && text::is_valid(peer));
    v1::IntakeReply reply;
    if (frames.size() == 2) {
      WM_INVARIANT(frames[0].to_string_view() == "WM1" && parse(payload, reply));
      check_numbered(reply);
      return Sent::Ok;
    }
    if (!closing_) WM_INVARIANT(unanswered_[peer]-- > 0);
    if (payload.starts_with('{'))
      check_json(payload);
    else
      WM_INVARIANT(parse(payload, reply) && (reply.has_nack() || reply.has_accepted()));
    if (reply.has_accepted()) check_accepted(reply.accepted());
    return Sent::Ok;
  }

  static bool parse(std::string_view bytes, v1::IntakeReply& reply) {
    return reply.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }

  void check_numbered(const v1::IntakeReply& reply) {
    WM_INVARIANT(reply.has_welcome() || reply.has_ack() || reply.has_nack());
    for (const v1::Accepted& accepted : reply.ack().accepted()) {
      WM_INVARIANT(accepted.number() > 0 && accepted.number() <= reply.ack().durable_up_to());
      check_accepted(accepted);
    }
  }
  void check_json(std::string_view json) {
    rapidjson::Document parsed;
    parsed.Parse(json.data(), json.size());
    WM_INVARIANT(text::is_valid(json) && parsed.IsObject() && parsed.MemberCount() == 1);
    if (!parsed.HasMember("ack")) return;
    v1::Accepted accepted;
    accepted.set_sequence(parsed["ack"]["sequence"].GetUint64());
    accepted.set_id(parsed["ack"]["id"].GetString(), parsed["ack"]["id"].GetStringLength());
    accepted.set_repeat(true);  // it may be
    check_accepted(accepted);
  }
  // On disk, and what it says.
  void check_accepted(const v1::Accepted& accepted) {
    WM_INVARIANT(accepted.sequence() >= 1 && accepted.sequence() <= memory_log.durable);
    v1::IntakeRecord record;
    WM_INVARIANT(record.ParseFromString(memory_log.records[accepted.sequence() - 1].payload));
    WM_INVARIANT(record.id() == accepted.id());
    if (!accepted.repeat()) WM_INVARIANT(record.number() == accepted.number());
  }

  const std::unique_ptr<Log> log_;
  std::unique_ptr<Intake> intake_;
  std::vector<std::string> message_;  // begun; empty: none
  bool firehose_ = false, closing_ = false;
  std::map<std::string, int> unanswered_;  // bare messages by connection
};

}  // namespace wiremill::fuzz
