// A ZeroMQ socket, made and bound with every option set before, and whole messages in and out
// without waiting. Used by the intake and the feed; making on the starting thread, messages on the
// io thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "daemon/base/error.hpp"

namespace wiremill {

struct SocketOptions {
  std::string endpoint;             // "tcp://127.0.0.1:5750", "tcp://127.0.0.1:*", "ipc:///run/x"
  int64_t frame_bytes_max = -1;     // a peer that sends more is cut off; -1: no limit
  int receive_messages_max = 1000;  // per peer
  int send_messages_max = 1000;     // per peer
  int linger_ms = 1000;             // how long what was sent may outlive the socket
};

// Errors: Unavailable (the endpoint is in use, or no such address on this machine), Config (not an
// endpoint), Io (a path that cannot be used). Each names the endpoint. ZeroMQ itself would take an
// ipc path over from a running process, or delete a file that stands there; this does neither.
Result<zmq::socket_t> bind_socket(zmq::context_t& context, zmq::socket_type type,
                                  const SocketOptions& options);

// Where it is bound: the real port in place of "*".
std::string bound_endpoint(zmq::socket_t& socket);

using Frames = std::vector<zmq::message_t>;

// More frames than this of one message are read and thrown away; none of our messages has as many.
constexpr size_t kFramesMax = 8;

// Reads one message into `frames`; false where none waits.
bool receive_message(zmq::socket_t& socket, Frames& frames);

enum class Sent {
  Ok,
  Full,  // the peer's pipe is full: nothing was sent
  Gone,  // no such peer: nothing was sent
};

// Sends the frames as one message; they are empty afterwards if it was sent.
Sent send_message(zmq::socket_t& socket, std::span<zmq::message_t> frames);

}  // namespace wiremill
