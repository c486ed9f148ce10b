// A DEALER that knows whether it is connected, by its socket monitor. Used by both clients, on
// their owner's thread.
//
// ZMQ_IMMEDIATE would drop what is queued when a connection breaks, but libzmq 4.3.4 then ends the
// pipe under a message that is half read and aborts (fq.cpp, "!_more"). So the pipe stays: nothing
// is sent while there is no connection, and what was queued before arrives late, which both
// protocols bear.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

namespace wiremill {

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  // Null where the endpoint is none; `error` says why.
  static std::unique_ptr<Connection> open(const std::string& endpoint, int send_messages_max,
                                          std::string& error);
  ~Connection();

  // Waits until something can be received (or sent, where `writable`), or the connection changed,
  // or `until`.
  void wait(Clock::time_point until, bool writable);
  // True once after each time that the connection was made.
  bool take_connected();
  std::optional<std::chrono::milliseconds> disconnected_for() const;

  // Reads one message without waiting; false where there is none.
  bool receive(std::vector<zmq::message_t>& frames);
  // False where it cannot be sent now, or there is no connection; then nothing was.
  bool send(std::span<const std::string_view> frames);

 private:
  Connection() = default;
  void read_monitor();

  zmq::context_t context_;
  zmq::socket_t dealer_, monitor_;
  bool connected_ = false, newly_connected_ = false;
  Clock::time_point changed_ = Clock::now();
};

}  // namespace wiremill
