// The one thread that owns every ZeroMQ socket of the daemon, named "io". Rooms hand it their
// sockets with a handler each before it starts; from then on their socket code runs only there.
//
// A turn: wait for messages, a wake-up or the next tick; hand over at most kMessagesPerTurn
// messages of each socket; run the ticks that are due; run every room's turn once. A room's turn
// does a bounded piece of work and answers whether more is left, so nobody starves anybody.
//
// ZMQ_FD is not used: it is edge-triggered and shared by sending and receiving. zmq_poll knows.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "daemon/base/error.hpp"
#include "daemon/sockets/socket.hpp"

namespace wiremill {

class SocketLoop {
 public:
  static constexpr int kMessagesPerTurn = 256;

  // Errors: Io (no descriptor is left).
  static Result<std::unique_ptr<SocketLoop>> make();
  // Stops.
  ~SocketLoop();
  SocketLoop(const SocketLoop&) = delete;
  SocketLoop& operator=(const SocketLoop&) = delete;

  // Outlives every socket made with it.
  zmq::context_t& context() { return context_; }

  // The next three before start(). What they are given must outlive stop().
  void add_socket(zmq::socket_t& socket, std::function<void(Frames&)> handle);
  void add_tick(std::chrono::milliseconds period, std::function<void()> tick);
  // Answers whether there is more to do at once.
  void add_turn(std::function<bool()> turn);

  void start();
  // Makes a turn happen soon. Any thread; many calls before that turn are one.
  void wake();
  // Ends the thread after the turn that it is in. Any thread but the io thread; again is harmless.
  void stop();

 private:
  struct Socket {
    zmq::socket_t* socket;
    std::function<void(Frames&)> handle;
  };
  struct Tick {
    std::chrono::milliseconds period;
    std::chrono::steady_clock::time_point due;
    std::function<void()> tick;
  };

  explicit SocketLoop(int wake_fd) : wake_fd_(wake_fd) {}
  void run();
  void read_messages(Socket& socket, Frames& frames);
  std::chrono::milliseconds run_ticks();

  const int wake_fd_;
  zmq::context_t context_;
  std::atomic<bool> woken_{false}, stopping_{false};
  std::thread thread_;

  // Filled before start(), then the io thread's own.
  std::vector<Socket> sockets_;
  std::vector<Tick> ticks_;
  std::vector<std::function<bool()>> turns_;
};

}  // namespace wiremill
