// The feed under a script, for the fuzz target replay.cpp. Checks every answer as it is sent.
//
//   M p bytes     connection p sends WM1 and this ReplayRequest
//   Q p bytes     connection p sends one frame: this
//   F p s c f     connection p fetches from s with credit c; f: bit 0 follow, bit 1 only English,
//                 bit 2 by time, bit 3 live, bit 4 from the cursor, bit 5 in epoch 1
//   C p n         connection p grants n more
//   O p n e       connection p commits n in epoch e
//   A t bytes     a result of topic t (0: en/a/, 1: de/b/) becomes durable with these bytes in it
//   D             a damaged one does        G bytes  one that is no ResultRecord does
//   K n           retention removes results below n
//   X bytes       this arrives at the XPUB
//   B p           connection p stops or goes on reading
//   V p           connection p vanishes
//   T             time passes: ticks
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "daemon/feed/cursor_store.hpp"
#include "daemon/feed/feed.hpp"
#include "tests/fuzz/memory_log.hpp"
#include "tests/fuzz/script.hpp"
#include "tests/fuzz/scripted_sockets.hpp"
#include "wiremill/v1/record.pb.h"
#include "wiremill/v1/replay.pb.h"

namespace wiremill::fuzz {

class ReplayScript {
 public:
  ReplayScript() : log_(Log::open({}).value()) {
    memory_log = {};
    for (int i = 0; i < 4; ++i) append(i % 2 == 0, "a result");
    scripted_sockets = {};
    scripted_sockets.on_send = [this](const zmq::socket_t& socket, auto frames) {
      return sent(socket, frames);
    };
    FeedOptions options;
    options.subscribers_max = 3;
    feed_ = Feed::open(options, scripted_loop(), *log_).value();
  }

  void apply(const Command& command) {
    const std::string peer{'\0', static_cast<char>(command.byte(0) & 3)};
    switch (command.what) {
      case 'M': request(peer, std::string(command.behind(1))); break;
      case 'Q': deliver(kRouter, {peer, std::string(command.behind(1))}); break;
      case 'F': request(peer, fetch(command)); break;
      case 'C': {
        v1::ReplayRequest credit;
        credit.mutable_credit()->set_more(command.byte(1));
        request(peer, credit.SerializeAsString());
        break;
      }
      case 'O': {
        v1::ReplayRequest commit;
        commit.mutable_commit()->set_cursor("work");
        commit.mutable_commit()->set_sequence(command.byte(1));
        commit.mutable_commit()->set_epoch(command.byte(2));
        request(peer, commit.SerializeAsString());
        break;
      }
      case 'A': append((command.byte(0) & 1) == 0, command.behind(1)); break;
      case 'D': store({}, true); break;
      case 'G': store(std::string(command.argument), false); break;
      case 'K': WM_INVARIANT(log_->remove_below(command.byte(0))); break;
      case 'X': deliver(kPublisher, {std::string(command.argument)}); break;
      case 'B':
        if (!full_.erase(peer)) full_.insert(peer);
        break;
      case 'V': gone_.insert(peer); break;
      case 'T': run_ticks(); break;
      default: return;
    }
    run_turns();
  }

 private:
  static constexpr size_t kPublisher = 0, kRouter = 1;  // in the order in which the feed binds them
  struct Stream {
    uint64_t credit = 0, position = 0;
  };

  static std::string fetch(const Command& command) {
    v1::ReplayRequest request;
    v1::Fetch& fetch = *request.mutable_fetch();
    const uint8_t flags = command.byte(3);
    fetch.set_sequence(command.byte(1));
    if ((flags & 4) != 0) fetch.set_time_us(command.byte(1));
    if ((flags & 8) != 0) fetch.set_live(true);
    if ((flags & 16) != 0) fetch.set_cursor("work");
    if ((flags & 32) != 0) fetch.set_epoch(1);
    fetch.set_credit(command.byte(2));
    fetch.set_follow((flags & 1) != 0);
    if ((flags & 2) != 0) fetch.add_topic_prefixes("en/");
    return request.SerializeAsString();
  }

  void request(const std::string& peer, std::string bytes) {
    v1::ReplayRequest parsed;
    if (parsed.ParseFromString(bytes)) {
      if (parsed.has_fetch()) streams_[peer] = {.credit = parsed.fetch().credit(), .position = 0};
      if (parsed.has_credit()) streams_[peer].credit += parsed.credit().more();
    }
    deliver(kRouter, {peer, "WM1", std::move(bytes)});
  }

  void append(bool english, std::string_view text) {
    v1::Result result;
    result.set_sequence(memory_log.records.size() + 1);
    result.set_status(v1::Result::PROCESSED);
    result.set_text("text of " + std::to_string(text.size()));
    v1::ResultRecord record;
    record.set_result(result.SerializeAsString());
    record.set_topic(english ? "en/a/" : "de/b/");
    record.set_status(v1::Result::PROCESSED);
    record.set_accepted_at_us(static_cast<int64_t>(result.sequence()));
    store(record.SerializeAsString(), false);
  }
  static void store(std::string payload, bool damaged) {
    if (memory_log.records.size() == std::numeric_limits<uint8_t>::max()) return;
    memory_log.records.push_back({.sequence = memory_log.records.size() + 1,
                                  .damaged = damaged,
                                  .payload = std::move(payload)});
    memory_log.durable = memory_log.records.size();
  }

  Sent sent(const zmq::socket_t& socket, std::span<const zmq::message_t> frames) {
    if (&socket == scripted_sockets.sockets[kPublisher]) {
      WM_INVARIANT(frames.size() == (frames[0].to_string_view() == "!heartbeat" ? 2U : 3U));
      return Sent::Ok;
    }
    WM_INVARIANT(frames.size() == 3 || frames.size() == 4);
    const std::string peer = frames[0].to_string();
    if (gone_.contains(peer)) {
      streams_.erase(peer);
      return Sent::Gone;
    }
    if (full_.contains(peer)) return Sent::Full;
    v1::ReplayReply reply;
    WM_INVARIANT(frames[1].to_string_view() == "WM1");
    WM_INVARIANT(reply.ParseFromArray(frames[2].data(), static_cast<int>(frames[2].size())));
    WM_INVARIANT(reply.has_item() == (frames.size() == 4));
    if (reply.has_rewound()) streams_[peer].position = reply.rewound().sequence() - 1;
    if (reply.has_committed()) WM_INVARIANT(reply.committed().sequence() <= memory_log.durable);
    if (reply.has_head()) WM_INVARIANT(reply.head().sequence() <= memory_log.durable);
    if (reply.has_lagged()) {
      WM_INVARIANT(reply.lagged().from() <= reply.lagged().to());
      WM_INVARIANT(reply.lagged().to() < memory_log.first);
    }
    if (reply.has_item()) check_item(streams_[peer], reply.item());
    return Sent::Ok;
  }

  static void check_item(Stream& stream, const v1::Item& item) {
    const uint64_t sequence = item.header().sequence();
    WM_INVARIANT(sequence > stream.position && sequence <= memory_log.durable);
    WM_INVARIANT(stream.credit > 0);
    --stream.credit;
    stream.position = sequence;
  }

  const std::unique_ptr<Log> log_;
  std::unique_ptr<Feed> feed_;
  std::map<std::string, Stream> streams_;
  std::set<std::string> full_, gone_;
};

}  // namespace wiremill::fuzz
