// Stands in for the sockets (daemon/sockets) where intake and feed are fuzzed: scripted_sockets.cpp
// defines their functions without ZeroMQ's threads and without a loop. The target hands messages to
// the rooms' handlers itself and is given every message that they send. So a run depends on its input
// alone, and takes microseconds. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/sockets/socket_loop.hpp"

namespace wiremill::fuzz {

struct ScriptedSockets {
  std::vector<std::function<void(Frames&)>> handlers;  // in the order of add_socket
  std::vector<zmq::socket_t*> sockets;                 // beside them
  std::vector<std::function<void()>> ticks;
  std::vector<std::function<bool()>> turns;
  std::function<Sent(const zmq::socket_t& socket, std::span<const zmq::message_t>)> on_send;
};

inline ScriptedSockets scripted_sockets;

// The loop that every target uses; its members stay empty.
SocketLoop& scripted_loop();

void deliver(size_t handler, const std::vector<std::string>& frames);
void run_ticks();
// Until there is nothing left to do.
void run_turns();

}  // namespace wiremill::fuzz
