// Bare messages: a scraper in any language needs ten lines.
#include <gtest/gtest.h>

#include <thread>

#include "daemon/intake/intake_harness.hpp"

namespace wiremill {
namespace {

using Frames = std::vector<std::string>;

class Bare : public ::testing::Test {
 protected:
  IntakeHarness daemon_;
};

TEST_F(Bare, JsonIsAcknowledgedInJson) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.send({"application/json", R"({"id":"a\"b","body":"text"})"});
  EXPECT_EQ(peer.receive(), Frames{R"({"ack":{"sequence":1,"id":"a\"b"}})"});
  peer.send({"json", R"({"body":"text"})"});
  EXPECT_EQ(peer.receive(), Frames{R"({"ack":{"sequence":2,"id":"seq:2"}})"});
  const auto records = daemon_.records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].number(), 0U);
  v1::Document document;
  ASSERT_TRUE(document.ParseFromString(records[0].document()));
  EXPECT_EQ(document.body(), "text");
}

TEST_F(Bare, AnswersComeInOrderRefusalsToo) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    peer.send({"json", R"({"id":"good)" + std::to_string(i) + "\"}"});
    peer.send({"json", "{\"id\":"});
    peer.send({"json", R"({"id":"odd)" + std::to_string(i) + R"(","content_type":"image/png"})"});
  }
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_EQ(peer.receive(), Frames{"{\"ack\":{\"sequence\":" + std::to_string(i + 1) +
                                     ",\"id\":\"good" + std::to_string(i) + "\"}}"});
    const Frames malformed = peer.receive();
    ASSERT_EQ(malformed.size(), 1U);
    EXPECT_TRUE(malformed[0].starts_with(R"({"nack":{"id":"","code":"MALFORMED","message":")"))
        << malformed[0];
    const Frames odd = peer.receive();
    ASSERT_EQ(odd.size(), 1U);
    EXPECT_TRUE(odd[0].starts_with("{\"nack\":{\"id\":\"odd" + std::to_string(i) +
                                   "\",\"code\":\"UNSUPPORTED\",\"message\":\""))
        << odd[0];
    EXPECT_NE(odd[0].find("image/png"), std::string::npos);
  }
}

TEST_F(Bare, ProtobufIsAnsweredInProtobuf) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.send({"application/x-protobuf", document_bytes("p", "text")});
  peer.send({"application/x-protobuf", "\xff\xff"});
  Frames frames = peer.receive();
  ASSERT_EQ(frames.size(), 1U);
  v1::IntakeReply reply;
  ASSERT_TRUE(reply.ParseFromString(frames[0]));
  EXPECT_EQ(reply.accepted().sequence(), 1U);
  EXPECT_EQ(reply.accepted().id(), "p");
  frames = peer.receive();
  ASSERT_TRUE(reply.ParseFromString(frames.at(0)));
  EXPECT_EQ(reply.nack().code(), v1::Nack::MALFORMED);
}

TEST_F(Bare, ReqIsMirrored) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint, zmq::socket_type::req);
  for (int i = 1; i <= 3; ++i) {
    peer.send({"application/json; charset=utf-8", "{}"});
    EXPECT_EQ(peer.receive(), Frames{"{\"ack\":{\"sequence\":" + std::to_string(i) +
                                     ",\"id\":\"seq:" + std::to_string(i) + "\"}}"});
  }
  peer.send({"text/csv", "a,b"});
  EXPECT_NE(peer.receive().at(0).find("UNSUPPORTED"), std::string::npos);
}

TEST_F(Bare, TooLargeIsSaidUpToFourTimesTheLimit) {
  daemon_.start();
  const auto limit = static_cast<size_t>(daemon_.options.document_bytes_max);
  const std::string frame = R"({"body":")";
  for (const size_t size : {limit, limit + 1, 4 * limit}) {
    RawPeer peer(daemon_.options.endpoint);
    peer.send({"json", frame + std::string(size - frame.size() - 2, 'x') + "\"}"});
    const Frames answer = peer.receive();
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_EQ(answer[0].find("TOO_LARGE") != std::string::npos, size > limit) << answer[0];
    EXPECT_EQ(answer[0].find("\"ack\"") != std::string::npos, size == limit) << answer[0];
  }
  // Beyond that the connection ends; the daemon goes on.
  RawPeer huge(daemon_.options.endpoint);
  huge.send({"json", std::string(4 * limit + 1, 'x')});
  RawPeer peer(daemon_.options.endpoint);
  peer.send({"json", "{}"});
  EXPECT_NE(peer.receive().at(0).find("\"ack\""), std::string::npos);
}

TEST_F(Bare, OtherShapesAreMalformed) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  const Frames shapes[] = {{"one"}, {"json", "{}", "more"}, {"a", "b", "c", "d", "e"}, {"", "x"}};
  for (const Frames& shape : shapes) {
    peer.send(shape);
    Frames answer = peer.receive();
    ASSERT_FALSE(answer.empty());
    EXPECT_NE(answer.back().find("\"MALFORMED\""), std::string::npos) << answer.back();
  }
  peer.send({"\xff\xfe", "x"});
  const Frames answer = peer.receive();
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_NE(answer[0].find("UNSUPPORTED"), std::string::npos);
  EXPECT_TRUE(daemon_.records().empty());
}

TEST_F(Bare, BeyondItsBoundAPeerIsTold) {
  daemon_.options.bare_outstanding_max = 10;
  daemon_.options.retry_after_ms = 77;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  constexpr int kMessages = 5000;
  for (int i = 0; i < kMessages; ++i) peer.send({"json", "{}"});
  int accepted = 0, busy = 0;
  for (int i = 0; i < kMessages; ++i) {
    const Frames answer = peer.receive();
    ASSERT_EQ(answer.size(), 1U);
    if (answer[0].find("\"ack\"") != std::string::npos) ++accepted;
    if (answer[0].find("\"code\":\"BUSY\"") != std::string::npos) {
      ++busy;
      EXPECT_TRUE(answer[0].ends_with(",\"retry_after_ms\":77}}")) << answer[0];
    }
  }
  EXPECT_EQ(accepted + busy, kMessages);
  EXPECT_GT(busy, 0);
  EXPECT_EQ(daemon_.records().size(), static_cast<size_t>(accepted));
}

TEST_F(Bare, TheSameIdAndContentIsARepeat) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.send({"json", R"({"id":"x","body":"1"})"});
  peer.send({"json", R"({"body":"1","id":"x"})"});
  peer.send({"application/x-protobuf", document_bytes("x", "1")});
  EXPECT_EQ(peer.receive(), Frames{R"({"ack":{"sequence":1,"id":"x"}})"});
  EXPECT_EQ(peer.receive(), Frames{R"({"ack":{"sequence":1,"id":"x"}})"});
  v1::IntakeReply reply;
  ASSERT_TRUE(reply.ParseFromString(peer.receive().at(0)));
  EXPECT_EQ(reply.accepted().sequence(), 1U);
  EXPECT_TRUE(reply.accepted().repeat());
  EXPECT_EQ(daemon_.records().size(), 1U);
}

TEST_F(Bare, TheTimeOfAcceptanceNeverGoesBack) {
  constexpr int64_t kAhead = 4'000'000'000'000'000;  // a clock that was wrong: the year 2096
  {
    const auto log = Log::open(daemon_.log_options).value();
    v1::IntakeRecord record;
    record.set_accepted_at_us(kAhead);
    record.set_document(document_bytes("a", "x"));
    ASSERT_TRUE(log->append(record.SerializeAsString()));
    ASSERT_TRUE(log->flush());
  }
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.send({"application/json", R"({"body":"x"})"});
  ASSERT_EQ(peer.receive().size(), 1U);
  EXPECT_EQ(daemon_.records().at(1).accepted_at_us(), kAhead);
}

TEST_F(Bare, TheFirehoseTakesAndCounts) {
  daemon_.options.firehose_endpoint = "tcp://127.0.0.1:*";
  daemon_.start();
  RawPeer pusher(daemon_.intake->firehose_endpoint(), zmq::socket_type::push);
  for (int i = 0; i < 100; ++i) pusher.send({"json", "{}"});
  pusher.send({"json", "{"});
  pusher.send({"json"});
  const IntakeCounters& counters = daemon_.intake->counters();
  while (counters.firehose_accepted + counters.firehose_dropped < 102) std::this_thread::yield();
  EXPECT_EQ(counters.firehose_dropped, 2U);
  EXPECT_EQ(counters.refused[v1::Nack::MALFORMED], 2U);
  ASSERT_TRUE(daemon_.log->flush());
  EXPECT_EQ(daemon_.records().size(), 100U);
}

}  // namespace
}  // namespace wiremill
