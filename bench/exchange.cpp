// See exchange.hpp.
#include "bench/exchange.hpp"

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

#include "wiremill/v1/intake.pb.h"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kMagic = "WM1";
constexpr std::chrono::minutes kSilence{1};

// Frames that outlive the socket are sent without a copy.
zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(const_cast<char*>(bytes.data()), bytes.size(), nullptr, nullptr);
}

std::string put_request(uint64_t number) {
  v1::IntakeRequest request;
  request.mutable_put()->set_number(number);
  return request.SerializeAsString();
}

class Client {
 public:
  Client(const std::string& endpoint, std::string name, std::span<const std::string> documents,
         uint64_t session)
      : name_(std::move(name)),
        session_(session),
        documents_(documents),
        socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, static_cast<int>(kWindow));
    socket_.set(zmq::sockopt::reconnect_ivl, 2);  // milliseconds; a start is measured by it
    socket_.connect(endpoint);
    for (size_t i = 1; i <= documents.size(); ++i) requests_.push_back(put_request(i));
  }

  void greet() {
    v1::IntakeRequest request;
    request.mutable_hello()->set_client(name_);
    request.mutable_hello()->set_session(session_);
    const std::string hello = request.SerializeAsString();
    send({kMagic, hello}, zmq::send_flags::none);
    wait(ZMQ_POLLIN);
    receive();
    if (!welcome_) throw std::runtime_error("no WELCOME");
  }

  void push() {
    for (uint64_t sent = 0; settled_ < documents_.size();) {
      bool full = false;
      // Acknowledgements are looked for now and then, so that the window moves on.
      for (size_t burst = 0; burst < kDocumentsPerAck && may_send(sent); ++burst, ++sent)
        if (!send({kMagic, requests_[sent], documents_[sent]}, zmq::send_flags::dontwait)) {
          full = true;
          break;
        }
      if (receive() || (may_send(sent) && !full)) continue;
      wait(static_cast<short>(may_send(sent) ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN));
    }
  }

 private:
  bool may_send(uint64_t sent) const {
    return sent < documents_.size() && sent - settled_ < kWindow;
  }

  template <size_t N>
  bool send(const std::string_view (&frames)[N], zmq::send_flags flags) {
    for (size_t i = 0; i < N; ++i) {
      zmq::message_t frame = frame_of(frames[i]);
      const auto more = i + 1 < N ? zmq::send_flags::sndmore : zmq::send_flags::none;
      if (!socket_.send(frame, flags | more)) return false;  // only ever the first one
    }
    return true;
  }

  void wait(short events) {
    zmq::pollitem_t item{socket_.handle(), 0, events, 0};
    if (zmq::poll(&item, 1, kSilence) == 0) throw std::runtime_error("the server says nothing");
  }

  // Answers whether anything came.
  bool receive() {
    bool any = false;
    zmq::message_t magic, payload;
    for (; socket_.recv(magic, zmq::recv_flags::dontwait); any = true) {
      (void)socket_.recv(payload);
      v1::IntakeReply reply;
      if (!reply.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
          reply.has_nack())
        throw std::runtime_error("refused: " + reply.ShortDebugString());
      if (reply.has_welcome()) welcome_ = true;
      if (reply.has_ack()) settled_ = reply.ack().durable_up_to();
    }
    return any;
  }

  const std::string name_;
  const uint64_t session_;
  const std::span<const std::string> documents_;
  std::vector<std::string> requests_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  bool welcome_ = false;
  uint64_t settled_ = 0;
};

}  // namespace

double push_documents(const std::string& endpoint, std::span<const std::string> documents,
                      uint64_t session) {
  Clock::time_point began;
  std::barrier greeted(kClients, [&]() noexcept { began = Clock::now(); });
  std::array<std::exception_ptr, kClients> failures;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kClients; ++i)
    threads.emplace_back([&, i] {
      try {
        const size_t first = i * documents.size() / kClients;
        const size_t end = (i + 1) * documents.size() / kClients;
        Client client(endpoint, "bench-" + std::to_string(i), documents.subspan(first, end - first),
                      session);
        try {
          client.greet();
        } catch (...) {
          greeted.arrive_and_drop();
          throw;
        }
        greeted.arrive_and_wait();
        client.push();
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = Clock::now() - began;
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return seconds.count();
}

void greet(const std::string& endpoint) { Client(endpoint, "bench-greeting", {}, 1).greet(); }

void serve_raw(const std::string& endpoint) {
  zmq::context_t context;
  zmq::socket_t router(context, zmq::socket_type::router);
  router.bind(endpoint);
  std::unordered_map<std::string, uint64_t> taken;  // by peer
  v1::IntakeReply reply;
  const auto answer = [&](const std::string& peer) {
    router.send(zmq::buffer(peer), zmq::send_flags::sndmore);
    router.send(zmq::buffer(kMagic), zmq::send_flags::sndmore);
    router.send(zmq::buffer(reply.SerializeAsString()), zmq::send_flags::none);
  };
  zmq::message_t frame;
  for (std::string peer;;) {
    (void)router.recv(frame);
    peer.assign(frame.data<char>(), frame.size());
    size_t frames = 1;
    for (; frame.more(); ++frames) (void)router.recv(frame);
    if (frames == 3) {
      reply.mutable_welcome()->set_credit(kWindow);
      answer(peer);
      continue;
    }
    uint64_t& count = taken[peer];
    if (++count % kDocumentsPerAck != 0) continue;
    reply.mutable_ack()->set_durable_up_to(count);
    answer(peer);
  }
}

}  // namespace wiremill
