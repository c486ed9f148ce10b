#include "daemon/config/endpoint.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wiremill {
namespace {

TEST(Endpoint, LoopbackAndLocalOnesAreFine) {
  for (const char* endpoint :
       {"tcp://127.0.0.1:1", "tcp://127.9.9.9:65535", "tcp://127.0.0.1:*", "tcp://[::1]:5750",
        "ipc:///run/wiremill/intake.sock", "ipc://intake", "inproc://intake"})
    EXPECT_TRUE(check_endpoint(endpoint, false)) << endpoint;
}

TEST(Endpoint, OthersNeedAWord) {
  for (const char* endpoint : {"tcp://*:5750", "tcp://0.0.0.0:5750", "tcp://10.0.0.1:5750",
                               "tcp://[::]:5750", "tcp://128.0.0.1:5750"}) {
    EXPECT_FALSE(check_endpoint(endpoint, false)) << endpoint;
    EXPECT_TRUE(check_endpoint(endpoint, true)) << endpoint;
  }
}

TEST(Endpoint, WrongOnesAreRefused) {
  for (const std::string& endpoint :
       {std::string(""), std::string("5750"), std::string("tcp://"), std::string("tcp://127.0.0.1"),
        std::string("tcp://127.0.0.1:0"), std::string("tcp://127.0.0.1:65536"),
        std::string("tcp://127.0.0.1:5750x"), std::string("tcp://localhost:5750"),
        std::string("tcp://::1:5750"), std::string("tcp://[::1:5750"),
        std::string("udp://1.2.3.4:5"), std::string("ipc://"), "ipc://" + std::string(108, 'a'),
        std::string("inproc://")})
    EXPECT_FALSE(check_endpoint(endpoint, true)) << endpoint;
}

TEST(Endpoint, CollisionsAreFound) {
  EXPECT_TRUE(endpoints_collide("tcp://*:5750", "tcp://127.0.0.1:5750"));
  EXPECT_TRUE(endpoints_collide("ipc://a", "ipc://a"));
  EXPECT_FALSE(endpoints_collide("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"));
  EXPECT_FALSE(endpoints_collide("tcp://127.0.0.1:5750", "tcp://127.0.0.2:5750"));
  EXPECT_FALSE(endpoints_collide("tcp://127.0.0.1:5750", "tcp://127.0.0.1:5751"));
}

}  // namespace
}  // namespace wiremill
