// The intake client against an intake that a test plays: what it does when it is refused for a while,
// when answers stay away, and when the daemon is another one after a restart.
#include <gtest/gtest.h>

#include <functional>
#include <zmq.hpp>

#include "wiremill/client.hpp"
#include "wiremill/v1/intake.pb.h"

namespace wiremill {
namespace {

using std::chrono::milliseconds;

// A ROUTER that says just what it is told to.
class PlayedIntake {
 public:
  explicit PlayedIntake(const std::string& endpoint = "tcp://127.0.0.1:*")
      : router_(context_, zmq::socket_type::router) {
    router_.set(zmq::sockopt::linger, 0);
    router_.bind(endpoint);
  }
  std::string endpoint() { return router_.get(zmq::sockopt::last_endpoint); }

  // The next request, where one comes while `client` works; each is {kind, number of a PUT}.
  v1::IntakeRequest request(IntakeClient& client, std::vector<IntakeEvent>& events) {
    v1::IntakeRequest request;
    for (int i = 0; i < 3000; ++i) {
      client.poll(milliseconds(1), events);
      zmq::message_t frame;
      if (!router_.recv(frame, zmq::recv_flags::dontwait)) continue;
      peer_ = frame.to_string();
      std::vector<std::string> frames;
      while (frame.more()) {
        (void)router_.recv(frame);
        frames.push_back(frame.to_string());
      }
      EXPECT_TRUE(frames.size() >= 2 && request.ParseFromString(frames[1]));
      return request;
    }
    ADD_FAILURE() << "no request came";
    return request;
  }
  void welcome(uint64_t durable_up_to, uint32_t credit = 100) {
    v1::IntakeReply reply;
    reply.mutable_welcome()->set_durable_up_to(durable_up_to);
    reply.mutable_welcome()->set_credit(credit);
    send(reply);
  }
  void accept(uint64_t number, uint64_t sequence) {
    v1::IntakeReply reply;
    reply.mutable_ack()->set_durable_up_to(number);
    reply.mutable_ack()->set_credit(100);
    v1::Accepted* accepted = reply.mutable_ack()->add_accepted();
    accepted->set_number(number);
    accepted->set_sequence(sequence);
    send(reply);
  }
  void refuse(uint64_t number, v1::Nack::Code code, const std::string& message) {
    v1::IntakeReply reply;
    reply.mutable_nack()->set_number(number);
    reply.mutable_nack()->set_code(code);
    reply.mutable_nack()->set_message(message);
    reply.mutable_nack()->set_retry_after_ms(20);
    send(reply);
  }

 private:
  void send(const v1::IntakeReply& reply) {
    router_.send(zmq::buffer(peer_), zmq::send_flags::sndmore);
    router_.send(zmq::str_buffer("WM1"), zmq::send_flags::sndmore);
    router_.send(zmq::buffer(reply.SerializeAsString()), zmq::send_flags::none);
  }
  zmq::context_t context_;
  zmq::socket_t router_;
  std::string peer_;
};

// `silence`: after which it says hello again.
std::unique_ptr<IntakeClient> client_of(const std::string& endpoint,
                                        milliseconds silence = std::chrono::hours(1)) {
  IntakeClientOptions options;
  options.endpoint = endpoint;
  options.silence = silence;
  std::string error;
  auto client = IntakeClient::connect(options, error);
  EXPECT_NE(client, nullptr) << error;
  return client;
}

TEST(IntakeClient, GoesBackToWhatWasRefusedForAWhileAndSaysWhy) {
  for (const auto& [code, name] : {std::pair{v1::Nack::NO_SPACE, "NO_SPACE: full"},
                                   std::pair{v1::Nack::READ_ONLY, "READ_ONLY: full"},
                                   std::pair{v1::Nack::BUSY, "BUSY: full"}}) {
    PlayedIntake intake;
    const auto client = client_of(intake.endpoint());
    std::vector<IntakeEvent> events;
    for (uint64_t tag = 1; tag <= 3; ++tag) ASSERT_TRUE(client->push(Encoding::Protobuf, "x", tag));
    ASSERT_TRUE(intake.request(*client, events).has_hello());
    intake.welcome(0);
    for (uint64_t number = 1; number <= 3; ++number)
      ASSERT_EQ(intake.request(*client, events).put().number(), number);
    intake.accept(1, 11);
    for (int times = 0; times < 2; ++times) {
      intake.refuse(2, code, "full");
      intake.refuse(3, v1::Nack::OUT_OF_ORDER, "2 is missing");
      for (uint64_t number = 2; number <= 3; ++number)
        ASSERT_EQ(intake.request(*client, events).put().number(), number);
      EXPECT_EQ(client->held_up_by(), name);
      EXPECT_EQ(client->unanswered(), 2U);
    }
    intake.accept(2, 12);
    intake.accept(3, 13);
    while (client->unanswered() > 0) client->poll(milliseconds(100), events);
    EXPECT_EQ(client->held_up_by(), "");
    ASSERT_EQ(events.size(), 3U);
    for (uint64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(events[i].kind, IntakeEvent::Kind::Accepted);
      EXPECT_EQ(events[i].tag, i + 1);
      EXPECT_EQ(events[i].sequence, i + 11);
    }
  }
}

TEST(IntakeClient, SaysHelloAndSendsAgainWhenAnswersStayAway) {
  PlayedIntake intake;
  const auto client = client_of(intake.endpoint(), milliseconds(1000));
  std::vector<IntakeEvent> events;
  ASSERT_TRUE(client->push(Encoding::Protobuf, "x", 1));
  const uint64_t session = intake.request(*client, events).hello().session();
  intake.welcome(0);
  ASSERT_EQ(intake.request(*client, events).put().number(), 1U);
  const v1::IntakeRequest again = intake.request(*client, events);  // after the silence
  ASSERT_TRUE(again.has_hello());
  EXPECT_EQ(again.hello().session(), session);
  intake.welcome(0);
  ASSERT_EQ(intake.request(*client, events).put().number(), 1U);
  intake.accept(1, 5);
  while (client->unanswered() > 0) client->poll(milliseconds(100), events);
  EXPECT_EQ(events.at(0).sequence, 5U);
}

TEST(IntakeClient, GoesOnWithTheDaemonThatComesAfter) {
  auto intake = std::make_unique<PlayedIntake>();
  const std::string endpoint = intake->endpoint();
  const auto client = client_of(endpoint);
  std::vector<IntakeEvent> events;
  for (uint64_t tag = 1; tag <= 3; ++tag) ASSERT_TRUE(client->push(Encoding::Protobuf, "x", tag));
  const uint64_t session = intake->request(*client, events).hello().session();
  intake->welcome(0);
  for (uint64_t number = 1; number <= 3; ++number)
    ASSERT_EQ(intake->request(*client, events).put().number(), number);
  intake->accept(1, 1);
  while (events.empty()) client->poll(milliseconds(100), events);
  intake.reset();  // 2 and 3 were sent and are unanswered
  while (!client->disconnected_for()) client->poll(milliseconds(10), events);
  ASSERT_TRUE(client->push(Encoding::Protobuf, "x", 4));
  PlayedIntake next(endpoint);
  const v1::IntakeRequest hello = next.request(*client, events);
  ASSERT_TRUE(hello.has_hello());
  EXPECT_EQ(hello.hello().session(), session);
  EXPECT_EQ(hello.hello().settled_up_to(), 1U);
  next.welcome(2);  // it has 2 on its disk
  for (uint64_t number = 2; number <= 4; ++number)
    ASSERT_EQ(next.request(*client, events).put().number(), number);
  for (uint64_t number = 2; number <= 4; ++number) next.accept(number, number);
  while (client->unanswered() > 0) client->poll(milliseconds(100), events);
  ASSERT_EQ(events.size(), 4U);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(events[i].tag, i + 1);
}

}  // namespace
}  // namespace wiremill
