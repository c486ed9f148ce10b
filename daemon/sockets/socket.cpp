// See socket.hpp.
#include "daemon/sockets/socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace wiremill {
namespace {

constexpr int kHandshakeMs = 10'000;
constexpr int kHeartbeatMs = 5'000;
constexpr int kHeartbeatTimeoutMs = 20'000;
constexpr int kKeepaliveIdleS = 60;
constexpr int kBacklog = 1024;
constexpr std::string_view kIpc = "ipc://";

bool somebody_listens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool listens = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return listens;
}

Status check_ipc_path(const std::string& endpoint) {
  const std::string path = endpoint.substr(kIpc.size());
  if (path.empty() || path.front() == '@') return {};
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return fail(ErrorCode::Config, "cannot bind {}: the path is longer than {} bytes", endpoint,
                sizeof(sockaddr_un::sun_path) - 1);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "cannot bind", endpoint);
  }
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorCode::Io, "cannot bind {}: {} exists and is not a socket", endpoint, path);
  if (somebody_listens(path))
    return fail(ErrorCode::Unavailable, "cannot bind {}: it is in use", endpoint);
  return {};
}

// ZeroMQ keeps the low 16 bits of a port and says nothing.
bool port_is_too_large(std::string_view endpoint) {
  const std::string_view port = endpoint.substr(endpoint.rfind(':') + 1);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc::result_out_of_range || (error == std::errc{} && number > 65'535);
}

tl::unexpected<Error> bind_error(int error, const std::string& endpoint) {
  switch (error) {
    case EADDRINUSE: return fail(ErrorCode::Unavailable, "cannot bind {}: it is in use", endpoint);
    case EADDRNOTAVAIL:
    case ENODEV:
      return fail(ErrorCode::Unavailable, "cannot bind {}: this machine has no such address",
                  endpoint);
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
      return fail(ErrorCode::Config, "cannot bind {}: not an endpoint to bind to", endpoint);
    default: return fail(ErrorCode::Io, "cannot bind {}: {}", endpoint, ::zmq_strerror(error));
  }
}

}  // namespace

Result<zmq::socket_t> bind_socket(zmq::context_t& context, zmq::socket_type type,
                                  const SocketOptions& options) {
  if (options.endpoint.starts_with("tcp://") && port_is_too_large(options.endpoint))
    return fail(ErrorCode::Config, "cannot bind {}: ports end at 65535", options.endpoint);
  if (options.endpoint.starts_with(kIpc)) WM_TRY(check_ipc_path(options.endpoint));
  try {
    zmq::socket_t socket(context, type);
    socket.set(zmq::sockopt::linger, options.linger_ms);
    socket.set(zmq::sockopt::maxmsgsize, options.frame_bytes_max);
    socket.set(zmq::sockopt::rcvhwm, options.receive_messages_max);
    socket.set(zmq::sockopt::sndhwm, options.send_messages_max);
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdleS);
    socket.set(zmq::sockopt::backlog, kBacklog);
    if (type == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, true);
    if (::zmq_bind(socket.handle(), options.endpoint.c_str()) != 0)
      return bind_error(::zmq_errno(), options.endpoint);
    return socket;
  } catch (const zmq::error_t& error) {
    return fail(ErrorCode::Io, "cannot make a socket for {}: {}", options.endpoint, error.what());
  }
}

std::string bound_endpoint(zmq::socket_t& socket) {
  return socket.get(zmq::sockopt::last_endpoint);
}

bool receive_message(zmq::socket_t& socket, Frames& frames) {
  frames.clear();
  zmq::message_t frame;
  do {
    if (::zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
      if (::zmq_errno() == EINTR) continue;
      return false;
    }
    const bool more = frame.more();
    if (frames.size() < kFramesMax) frames.push_back(std::move(frame));
    if (!more) return true;
    frame.rebuild();
  } while (true);
}

Sent send_message(zmq::socket_t& socket, std::span<zmq::message_t> frames) {
  for (size_t i = 0; i < frames.size();) {
    const int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
    if (::zmq_msg_send(frames[i].handle(), socket.handle(), flags) >= 0) {
      ++i;
      continue;
    }
    const int error = ::zmq_errno();
    if (error == EINTR) continue;
    return error == EAGAIN ? Sent::Full : Sent::Gone;
  }
  return Sent::Ok;
}

}  // namespace wiremill
