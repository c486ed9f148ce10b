// An intake with its log and ledger in a folder of its own, for tests, and a raw peer to talk to
// it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/sockets/socket_loop.hpp"
#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/intake.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

struct IntakeHarness {
  std::filesystem::path directory;
  IntakeOptions options;
  LogOptions log_options;
  std::unique_ptr<Log> log;
  std::unique_ptr<SocketLoop> loop;
  std::unique_ptr<Intake> intake;

  IntakeHarness() {
    static int count = 0;
    directory = std::filesystem::temp_directory_path() /
                ("wiremill_intake_" + std::to_string(::getpid()) + "_" + std::to_string(++count));
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    options.endpoint = "tcp://127.0.0.1:*";
    options.ledger_directory = directory / "ledger";
    options.document_bytes_max = 64 << 10;
    log_options.directory = directory / "intake";
    log_options.name = "intake";
    log_options.segment_bytes = 1 << 20;
  }
  ~IntakeHarness() {
    stop();
    std::filesystem::remove_all(directory);
  }

  void start() {
    auto opened = Log::open(log_options);
    ASSERT_TRUE(opened) << opened.error().message;
    log = std::move(*opened);
    loop = SocketLoop::make().value();
    log->on_durable([this](uint64_t) { loop->wake(); });
    auto made = Intake::open(options, *loop, *log);
    ASSERT_TRUE(made) << made.error().message;
    intake = std::move(*made);
    options.endpoint = intake->endpoint();  // the same port after a restart
    loop->start();
  }

  void stop() {
    if (!loop) return;
    loop->stop();
    intake.reset();
    // The log's writer may still report to the loop.
    log.reset();
    loop.reset();
  }

  std::vector<v1::IntakeRecord> records() const {
    std::vector<LogRecord> stored;
    const auto reader = log->reader(1);
    for (size_t before = 1; before != stored.size();) {
      before = stored.size();
      EXPECT_TRUE(reader->read(1000, 8 << 20, stored));
    }
    std::vector<v1::IntakeRecord> parsed(stored.size());
    for (size_t i = 0; i < stored.size(); ++i)
      EXPECT_TRUE(parsed[i].ParseFromString(stored[i].payload));
    return parsed;
  }
};

inline std::string document_bytes(const std::string& id, const std::string& body,
                                  const std::string& content_type = "") {
  v1::Document document;
  document.set_id(id);
  document.set_body(body);
  document.set_content_type(content_type);
  return document.SerializeAsString();
}

// A plain ZeroMQ socket, DEALER or REQ.
class RawPeer {
 public:
  explicit RawPeer(const std::string& endpoint, zmq::socket_type type = zmq::socket_type::dealer)
      : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 30'000);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvhwm, 0);
    socket_.connect(endpoint);
  }

  void send(const std::vector<std::string>& frames) {
    for (size_t i = 0; i < frames.size(); ++i)
      socket_.send(zmq::buffer(frames[i]),
                   i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
  // Empty where nothing came for a long time.
  std::vector<std::string> receive() {
    std::vector<std::string> frames;
    zmq::message_t frame;
    do {
      if (!socket_.recv(frame)) return {};
      frames.push_back(frame.to_string());
    } while (frame.more());
    return frames;
  }

  void hello(const std::string& client, uint64_t session, uint64_t settled_up_to = 0) {
    v1::IntakeRequest request;
    request.mutable_hello()->set_client(client);
    request.mutable_hello()->set_session(session);
    request.mutable_hello()->set_settled_up_to(settled_up_to);
    send({"WM1", request.SerializeAsString()});
  }
  void put(uint64_t number, const std::string& document, const std::string& content_type = "") {
    v1::IntakeRequest request;
    request.mutable_put()->set_number(number);
    request.mutable_put()->set_content_type(content_type);
    send({"WM1", request.SerializeAsString(), document});
  }
  v1::IntakeReply reply() {
    const std::vector<std::string> frames = receive();
    v1::IntakeReply reply;
    EXPECT_EQ(frames.size(), 2U);
    if (frames.size() == 2) {
      EXPECT_EQ(frames[0], "WM1");
      EXPECT_TRUE(reply.ParseFromString(frames[1]));
    }
    return reply;
  }
  v1::Welcome welcome() {
    const v1::IntakeReply answer = reply();
    EXPECT_TRUE(answer.has_welcome()) << answer.ShortDebugString();
    return answer.welcome();
  }
  v1::Nack nack() {
    const v1::IntakeReply answer = reply();
    EXPECT_TRUE(answer.has_nack()) << answer.ShortDebugString();
    return answer.nack();
  }
  // Acknowledgements until every number up to this one is settled.
  std::vector<v1::Accepted> accepted_up_to(uint64_t number) {
    std::vector<v1::Accepted> accepted;
    for (uint64_t durable = 0; durable < number;) {
      const v1::IntakeReply answer = reply();
      EXPECT_TRUE(answer.has_ack()) << answer.ShortDebugString();
      if (!answer.has_ack()) break;
      durable = answer.ack().durable_up_to();
      accepted.insert(accepted.end(), answer.ack().accepted().begin(),
                      answer.ack().accepted().end());
    }
    return accepted;
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

}  // namespace wiremill
