// See socket_loop.hpp.
#include "daemon/sockets/socket_loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/base/thread.hpp"

namespace wiremill {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<std::unique_ptr<SocketLoop>> SocketLoop::make() {
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return fail_errno(errno, "cannot make", "the io thread's eventfd");
  return std::unique_ptr<SocketLoop>(new SocketLoop(wake_fd));
}

SocketLoop::~SocketLoop() {
  stop();
  ::close(wake_fd_);
}

void SocketLoop::add_socket(zmq::socket_t& socket, std::function<void(Frames&)> handle) {
  sockets_.push_back({&socket, std::move(handle)});
}

void SocketLoop::add_tick(milliseconds period, std::function<void()> tick) {
  ticks_.push_back({period, steady_clock::now() + period, std::move(tick)});
}

void SocketLoop::add_turn(std::function<bool()> turn) { turns_.push_back(std::move(turn)); }

void SocketLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void SocketLoop::wake() {
  if (woken_.exchange(true)) return;
  const uint64_t one = 1;
  while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void SocketLoop::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
}

void SocketLoop::run() {
  set_thread_name("io");
  std::vector<zmq_pollitem_t> items{{nullptr, wake_fd_, ZMQ_POLLIN, 0}};
  for (Socket& socket : sockets_) items.push_back({socket.socket->handle(), 0, ZMQ_POLLIN, 0});
  Frames frames;
  bool more = false;
  while (!stopping_) {
    const milliseconds wait = more ? milliseconds(0) : run_ticks();
    if (::zmq_poll(items.data(), static_cast<int>(items.size()), wait.count()) < 0) continue;
    if ((items[0].revents & ZMQ_POLLIN) != 0) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t size = ::read(wake_fd_, &count, sizeof count);
      woken_ = false;  // before the turns look: what is reported from here on wakes again
    }
    for (size_t i = 0; i < sockets_.size(); ++i)
      if ((items[i + 1].revents & ZMQ_POLLIN) != 0) read_messages(sockets_[i], frames);
    run_ticks();
    more = false;
    for (const auto& turn : turns_) more |= turn();
  }
}

void SocketLoop::read_messages(Socket& socket, Frames& frames) {
  for (int i = 0; i < kMessagesPerTurn && receive_message(*socket.socket, frames); ++i)
    socket.handle(frames);
}

// Answers how long the next one is away; a minute where there is none.
milliseconds SocketLoop::run_ticks() {
  const auto now = steady_clock::now();
  milliseconds wait = std::chrono::minutes(1);
  for (Tick& tick : ticks_) {
    if (tick.due <= now) {
      tick.tick();
      tick.due = now + tick.period;
    }
    wait = std::min(wait, std::chrono::ceil<milliseconds>(tick.due - now));
  }
  return wait;
}

}  // namespace wiremill
