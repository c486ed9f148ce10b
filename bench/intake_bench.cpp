// How many documents a second the intake acknowledges, beside a raw DEALER/ROUTER echo of the same
// bytes: one client, one connection over tcp loopback, a window of 2,000. In the echo the ROUTER
// answers one small message per 32 that it got; nothing is parsed or stored.
//
//   intake_bench [DIRECTORY [DOCUMENTS [BYTES]]]
//
// The directory holds the log and the ledger while it runs; every acknowledgement waits for an
// fdatasync there. Rounds alternate, so that a busy machine slows both.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/sockets/socket_loop.hpp"
#include "wiremill/client.hpp"
#include "wiremill/v1/document.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace wiremill;

constexpr uint64_t kWindow = 2000;
constexpr uint64_t kEchoEvery = 32;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void die(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  std::exit(1);
}

double echo(uint64_t documents, const std::string& document) {
  auto loop = SocketLoop::make().value();
  zmq::socket_t router = bind_socket(loop->context(), zmq::socket_type::router,
                                     {.endpoint = "tcp://127.0.0.1:*",
                                      .receive_messages_max = 100'000,
                                      .send_messages_max = 100'000})
                             .value();
  uint64_t received = 0;
  loop->add_socket(router, [&](Frames& frames) {
    if (++received % kEchoEvery != 0 && received != documents) return;
    frames.resize(1);
    frames.emplace_back("ack", 3);
    send_message(router, frames);
  });
  const std::string endpoint = bound_endpoint(router);
  loop->start();

  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::sndhwm, 0);
  dealer.connect(endpoint);
  const auto start = Clock::now();
  zmq::message_t ack;
  uint64_t sent = 0, answered = 0;
  while (answered < documents) {
    for (; sent < documents && sent < answered + kWindow; ++sent)
      dealer.send(zmq::buffer(document), zmq::send_flags::none);
    if (!dealer.recv(ack)) die("the echo gave no answer");
    answered = std::min(documents, answered + kEchoEvery);
  }
  const double seconds = seconds_since(start);
  loop->stop();
  return static_cast<double>(documents) / seconds;
}

double intake(uint64_t documents, size_t bytes, bool with_ids,
              const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  double rate = 0;
  {
    LogOptions log_options;
    log_options.directory = directory / "intake";
    log_options.name = "intake";
    auto log = Log::open(log_options);
    if (!log) die(log.error().message);
    auto loop = SocketLoop::make().value();
    (*log)->on_durable([&](uint64_t) { loop->wake(); });
    IntakeOptions options;
    options.endpoint = "tcp://127.0.0.1:*";
    options.ledger_directory = directory / "ledger";
    auto made = Intake::open(options, *loop, **log);
    if (!made) die(made.error().message);
    loop->start();

    IntakeClientOptions client_options;
    client_options.endpoint = (*made)->endpoint();
    client_options.window = kWindow;
    std::string error;
    const auto client = IntakeClient::connect(client_options, error);
    v1::Document document;
    document.set_body(std::string(bytes, 'x'));
    std::vector<IntakeEvent> events;
    const auto start = Clock::now();
    for (uint64_t pushed = 0, answered = 0; answered < documents; answered += events.size()) {
      for (; pushed < documents; ++pushed) {
        if (with_ids) document.set_id("document-" + std::to_string(pushed));
        if (!client->push(Encoding::Protobuf, document.SerializeAsString(), pushed)) break;
      }
      events.clear();
      client->poll(std::chrono::milliseconds(1000), events);
    }
    rate = static_cast<double>(documents) / seconds_since(start);
    loop->stop();
    made->reset();
    log->reset();  // its writer may still wake the loop
  }
  std::filesystem::remove_all(directory);
  return rate;
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path directory =
      argc > 1 ? argv[1] : std::filesystem::temp_directory_path() / "wiremill_intake_bench";
  const uint64_t documents = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 200'000;
  const size_t bytes = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 4096;
  fmt::print("{} documents of {} bytes, window {}\n", documents, bytes, kWindow);
  for (int round = 1; round <= 3; ++round) {
    const double raw = echo(documents, std::string(bytes, 'x'));
    const double plain = intake(documents, bytes, false, directory);
    const double with_ids = intake(documents, bytes, true, directory);
    fmt::print("round {}: raw echo {:.0f}/s, intake {:.0f}/s ({:.0f} %), with ids {:.0f}/s\n",
               round, raw, plain, 100 * plain / raw, with_ids);
  }
}
