// See connection.hpp.
#include "clients/cpp/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace wiremill {
namespace {

constexpr int kReconnectMs = 100, kReconnectMaxMs = 1000;
constexpr int kHeartbeatMs = 5'000, kHeartbeatTimeoutMs = 20'000;
constexpr const char* kMonitor = "inproc://connection";

}  // namespace

std::unique_ptr<Connection> Connection::open(const std::string& endpoint, int send_messages_max,
                                             std::string& error) {
  try {
    auto connection = std::unique_ptr<Connection>(new Connection);
    connection->dealer_ = zmq::socket_t(connection->context_, zmq::socket_type::dealer);
    zmq::socket_t& dealer = connection->dealer_;
    dealer.set(zmq::sockopt::linger, 0);
    dealer.set(zmq::sockopt::sndhwm, send_messages_max);
    dealer.set(zmq::sockopt::rcvhwm, 0);  // bounded by window and credit
    dealer.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    dealer.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
    dealer.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    dealer.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    if (::zmq_socket_monitor(dealer.handle(), kMonitor,
                             ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0)
      throw zmq::error_t();
    connection->monitor_ = zmq::socket_t(connection->context_, zmq::socket_type::pair);
    connection->monitor_.set(zmq::sockopt::linger, 0);
    connection->monitor_.connect(kMonitor);
    dealer.connect(endpoint);
    return connection;
  } catch (const zmq::error_t& thrown) {
    error = "cannot connect to " + endpoint + ": " + thrown.what();
    return nullptr;
  }
}

Connection::~Connection() {
  if (dealer_.handle() != nullptr) ::zmq_socket_monitor(dealer_.handle(), nullptr, 0);
}

void Connection::wait(Clock::time_point until, bool writable) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  zmq_pollitem_t items[] = {
      {dealer_.handle(), 0, static_cast<short>(ZMQ_POLLIN | (writable ? ZMQ_POLLOUT : 0)), 0},
      {monitor_.handle(), 0, ZMQ_POLLIN, 0}};
  ::zmq_poll(items, 2, std::max<long>(0, left));
  read_monitor();
}

// An event is two frames: {16 bits event, 32 bits value} and the endpoint.
void Connection::read_monitor() {
  zmq::message_t frame;
  while (::zmq_msg_recv(frame.handle(), monitor_.handle(), ZMQ_DONTWAIT) >= 0) {
    uint16_t event = 0;
    if (frame.size() >= sizeof event) std::memcpy(&event, frame.data(), sizeof event);
    zmq::message_t endpoint;
    if (frame.more()) ::zmq_msg_recv(endpoint.handle(), monitor_.handle(), ZMQ_DONTWAIT);
    const bool connected = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    if (connected != connected_) changed_ = Clock::now();
    connected_ = newly_connected_ = connected;
    frame.rebuild();
  }
}

bool Connection::take_connected() { return std::exchange(newly_connected_, false); }

std::optional<std::chrono::milliseconds> Connection::disconnected_for() const {
  if (connected_) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - changed_);
}

bool Connection::receive(std::vector<zmq::message_t>& frames) {
  frames.clear();
  for (;;) {
    zmq::message_t frame;
    if (::zmq_msg_recv(frame.handle(), dealer_.handle(), ZMQ_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    const bool more = frame.more();
    frames.push_back(std::move(frame));
    if (!more) return true;
  }
}

bool Connection::send(std::span<const std::string_view> frames) {
  if (!connected_) return false;
  for (size_t i = 0; i < frames.size();) {
    const int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
    if (::zmq_send(dealer_.handle(), frames[i].data(), frames[i].size(), flags) >= 0)
      ++i;
    else if (errno != EINTR)
      return false;
  }
  return true;
}

}  // namespace wiremill
