// See scripted_sockets.hpp.
#include "tests/fuzz/scripted_sockets.hpp"

namespace wiremill {

using fuzz::scripted_sockets;

Result<std::unique_ptr<SocketLoop>> SocketLoop::make() {
  return std::unique_ptr<SocketLoop>(new SocketLoop(-1));
}
SocketLoop::~SocketLoop() = default;
void SocketLoop::add_socket(zmq::socket_t& socket, std::function<void(Frames&)> handle) {
  scripted_sockets.sockets.push_back(&socket);
  scripted_sockets.handlers.push_back(std::move(handle));
}
void SocketLoop::add_tick(std::chrono::milliseconds, std::function<void()> tick) {
  scripted_sockets.ticks.push_back(std::move(tick));
}
void SocketLoop::add_turn(std::function<bool()> turn) {
  scripted_sockets.turns.push_back(std::move(turn));
}
void SocketLoop::wake() {}

Result<zmq::socket_t> bind_socket(zmq::context_t&, zmq::socket_type, const SocketOptions&) {
  return zmq::socket_t();
}
std::string bound_endpoint(zmq::socket_t&) { return "scripted"; }

Sent send_message(zmq::socket_t& socket, std::span<zmq::message_t> frames) {
  return scripted_sockets.on_send(socket, frames);
}

namespace fuzz {

SocketLoop& scripted_loop() {
  static const std::unique_ptr<SocketLoop> loop = SocketLoop::make().value();
  return *loop;
}

void deliver(size_t handler, const std::vector<std::string>& frames) {
  Frames message;
  for (const std::string& frame : frames) message.emplace_back(frame.data(), frame.size());
  if (message.size() <= kFramesMax) scripted_sockets.handlers[handler](message);
}

void run_ticks() {
  for (const auto& tick : scripted_sockets.ticks) tick();
}

void run_turns() {
  for (const auto& turn : scripted_sockets.turns)
    while (turn()) {
    }
}

}  // namespace fuzz
}  // namespace wiremill
