#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/sockets/socket_loop.hpp"

namespace wiremill {
namespace {

using std::chrono::milliseconds;

std::string fresh_path(const char* name) {
  return (std::filesystem::temp_directory_path() /
          ("wiremill_sockets_" + std::to_string(::getpid()) + name))
      .string();
}

TEST(BindSocket, SaysThatAPortIsInUse) {
  zmq::context_t context;
  auto first = bind_socket(context, zmq::socket_type::router, {.endpoint = "tcp://127.0.0.1:*"});
  ASSERT_TRUE(first) << first.error().message;
  const std::string endpoint = bound_endpoint(*first);
  auto second = bind_socket(context, zmq::socket_type::router, {.endpoint = endpoint});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Unavailable);
  EXPECT_NE(second.error().message.find(endpoint), std::string::npos);
}

TEST(BindSocket, RefusesWhatIsNoEndpoint) {
  zmq::context_t context;
  for (const char* endpoint : {"", "nonsense", "tcp://", "tcp://127.0.0.1", "http://127.0.0.1:80",
                               "tcp://127.0.0.1:99999"})
    EXPECT_FALSE(bind_socket(context, zmq::socket_type::router, {.endpoint = endpoint}))
        << endpoint;
}

TEST(BindSocket, NeverTakesAnIpcPathFromAnother) {
  zmq::context_t context;
  const std::string path = fresh_path(".sock");
  const std::string endpoint = "ipc://" + path;
  auto first = bind_socket(context, zmq::socket_type::router, {.endpoint = endpoint});
  ASSERT_TRUE(first) << first.error().message;
  auto second = bind_socket(context, zmq::socket_type::router, {.endpoint = endpoint});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Unavailable);

  const std::string file = fresh_path(".txt");
  std::ofstream(file) << "kept";
  auto third = bind_socket(context, zmq::socket_type::router, {.endpoint = "ipc://" + file});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::Io);
  EXPECT_EQ(std::filesystem::file_size(file), 4U);
  std::filesystem::remove(file);

  auto fourth =
      bind_socket(context, zmq::socket_type::router, {.endpoint = "ipc:///nowhere/at/all.sock"});
  EXPECT_FALSE(fourth);
  auto fifth = bind_socket(context, zmq::socket_type::router,
                           {.endpoint = "ipc:///tmp/" + std::string(200, 'x')});
  ASSERT_FALSE(fifth);
  EXPECT_EQ(fifth.error().code, ErrorCode::Config);
}

TEST(SocketLoop, HandsOverMessagesTicksAndWakeUps) {
  auto loop = SocketLoop::make().value();
  zmq::socket_t router =
      bind_socket(loop->context(), zmq::socket_type::router, {.endpoint = "tcp://127.0.0.1:*"})
          .value();
  const std::string endpoint = bound_endpoint(router);
  std::atomic<int> ticks{0}, turns{0}, woken{0}, messages{0};
  std::atomic<bool> rung{false};
  loop->add_socket(router, [&](Frames& frames) {
    ++messages;
    EXPECT_EQ(send_message(router, frames), Sent::Ok);
  });
  loop->add_tick(milliseconds(5), [&] { ++ticks; });
  loop->add_turn([&] {
    ++turns;
    if (rung.exchange(false)) ++woken;
    return false;
  });
  loop->start();

  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::rcvtimeo, 20'000);
  dealer.connect(endpoint);
  for (int i = 0; i < 1000; ++i) dealer.send(zmq::str_buffer("x"), zmq::send_flags::none);
  zmq::message_t reply;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(dealer.recv(reply));
  EXPECT_EQ(messages, 1000);

  for (int i = 1; i <= 100; ++i) {
    rung = true;
    loop->wake();
    while (woken < i) std::this_thread::yield();
  }
  while (ticks < 3) std::this_thread::yield();
  loop->stop();
  loop->stop();
}

TEST(SocketLoop, ManyFramesAreCutAndTheNextMessageIsWhole) {
  zmq::context_t context;
  zmq::socket_t pull =
      bind_socket(context, zmq::socket_type::pull, {.endpoint = "tcp://127.0.0.1:*"}).value();
  zmq::socket_t push(context, zmq::socket_type::push);
  push.set(zmq::sockopt::linger, 0);
  push.connect(bound_endpoint(pull));
  for (int i = 0; i < 100; ++i) push.send(zmq::str_buffer("x"), zmq::send_flags::sndmore);
  push.send(zmq::str_buffer("x"), zmq::send_flags::none);
  push.send(zmq::str_buffer("next"), zmq::send_flags::none);
  Frames frames;
  while (!receive_message(pull, frames)) std::this_thread::yield();
  EXPECT_EQ(frames.size(), kFramesMax);
  while (!receive_message(pull, frames)) std::this_thread::yield();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].to_string(), "next");
}

}  // namespace
}  // namespace wiremill
