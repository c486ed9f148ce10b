// What the tests of the feed share: a feed over a log of its own, and subscribers. Included by them
// alone.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "daemon/feed/feed.hpp"
#include "daemon/log/log.hpp"
#include "daemon/sockets/socket_loop.hpp"
#include "wiremill/client.hpp"
#include "wiremill/v1/record.pb.h"
#include "wiremill/v1/replay.pb.h"

namespace wiremill {

using std::chrono::milliseconds;
using From = ReplayClientOptions::From;
using Kind = ReplayEvent::Kind;

class FeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static int count = 0;
    directory_ = std::filesystem::temp_directory_path() /
                 ("wiremill_feed_" + std::to_string(::getpid()) + "_" + std::to_string(++count));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    options_.endpoint = options_.replay_endpoint = "tcp://127.0.0.1:*";
    options_.heartbeat_ms = 100;
    options_.cursors_directory = directory_ / "cursors";
    log_options_.directory = directory_ / "result";
    log_options_.name = "result";
    log_options_.segment_bytes = 64 << 10;
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    auto opened = Log::open(log_options_);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
    loop_ = SocketLoop::make().value();
    log_->on_durable([this](uint64_t) { loop_->wake(); });
    auto made = Feed::open(options_, *loop_, *log_);
    ASSERT_TRUE(made) << made.error().message;
    feed_ = std::move(*made);
    options_.endpoint = feed_->endpoint();
    options_.replay_endpoint = feed_->replay_endpoint();
    loop_->start();
  }
  void stop() {
    if (!loop_) return;
    loop_->stop();
    feed_.reset();
    log_.reset();
    loop_.reset();
  }

  // Sequence n stands on topic "en/a/" or, each third, "de/b/", accepted at n milliseconds.
  void append(uint64_t from, uint64_t to, size_t text_bytes = 100) {
    for (uint64_t sequence = from; sequence <= to; ++sequence)
      append_one(sequence, sequence % 3 == 0 ? "de/b/" : "en/a/", v1::Result::PROCESSED,
                 text_bytes);
    ASSERT_TRUE(log_->flush());
  }
  void append_one(uint64_t sequence, const std::string& topic, v1::Result::Status status,
                  size_t text_bytes = 100) {
    v1::Result result;
    result.set_sequence(sequence);
    result.set_text(std::string(text_bytes, 't'));
    v1::ResultRecord record;
    record.set_result(result.SerializeAsString());
    record.set_topic(topic);
    record.set_previous(sequence - 1);
    record.set_accepted_at_us(static_cast<int64_t>(sequence) * 1000);
    record.set_status(status);
    for (;;) {
      const auto appended = log_->append(record.SerializeAsString());
      if (appended) {
        ASSERT_EQ(*appended, sequence);
        break;
      }
      ASSERT_EQ(appended.error().code, ErrorCode::Busy);
      ASSERT_TRUE(log_->flush());
    }
  }

  static std::unique_ptr<ReplayClient> connect(const ReplayClientOptions& options) {
    std::string error;
    auto made = ReplayClient::connect(options, error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }
  std::unique_ptr<ReplayClient> client(From from, bool follow = true, uint64_t at = 1,
                                       std::vector<std::string> topics = {},
                                       uint32_t credit = 1000) {
    ReplayClientOptions options;
    options.endpoint = options_.replay_endpoint;
    options.from = from;
    options.sequence = at;
    options.time_us = static_cast<int64_t>(at);
    options.follow = follow;
    options.topics = std::move(topics);
    options.credit = credit;
    return connect(options);
  }

  // The next event; fails where none comes for a long time.
  static ReplayEvent next(ReplayClient& client) {
    ReplayEvent event;
    EXPECT_TRUE(client.poll(milliseconds(30'000), event));
    return event;
  }
  static void expect_results(ReplayClient& client, uint64_t from, uint64_t to) {
    for (uint64_t sequence = from; sequence <= to;) {
      const ReplayEvent event = next(client);
      if (event.kind == Kind::Head) continue;
      ASSERT_EQ(event.kind, Kind::Result) << event.message;
      ASSERT_EQ(event.sequence, sequence);
      v1::Result result;
      ASSERT_TRUE(result.ParseFromString(event.result));
      ASSERT_EQ(result.sequence(), sequence);
      EXPECT_EQ(event.status, ReplayEvent::Status::Processed);
      EXPECT_EQ(event.previous, sequence - 1);
      ++sequence;
    }
  }

  std::filesystem::path directory_;
  FeedOptions options_;
  LogOptions log_options_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<SocketLoop> loop_;
  std::unique_ptr<Feed> feed_;
};

// A DEALER that says just what it is told to.
class RawSubscriber {
 public:
  RawSubscriber(const std::string& endpoint, zmq::socket_type type) : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 30'000);
    if (type == zmq::socket_type::sub) socket_.set(zmq::sockopt::subscribe, "");
    socket_.connect(endpoint);
  }
  void request(const v1::ReplayRequest& request) {
    socket_.send(zmq::str_buffer("WM1"), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(request.SerializeAsString()), zmq::send_flags::none);
  }
  void fetch(uint64_t sequence, uint32_t credit, uint64_t stream = 1) {
    v1::ReplayRequest request_;
    request_.mutable_fetch()->set_sequence(sequence);
    request_.mutable_fetch()->set_credit(credit);
    request_.mutable_fetch()->set_follow(true);
    request_.mutable_fetch()->set_stream(stream);
    request(request_);
  }
  std::vector<std::string> receive() {
    std::vector<std::string> frames;
    zmq::message_t frame;
    do {
      if (!socket_.recv(frame)) return {};
      frames.push_back(frame.to_string());
    } while (frame.more());
    return frames;
  }
  v1::ReplayReply reply() {
    const std::vector<std::string> frames = receive();
    v1::ReplayReply reply;
    EXPECT_GE(frames.size(), 2U);
    if (frames.size() >= 2) {
      EXPECT_TRUE(reply.ParseFromString(frames[1]));
    }
    return reply;
  }
  zmq::socket_t& socket() { return socket_; }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

}  // namespace wiremill
