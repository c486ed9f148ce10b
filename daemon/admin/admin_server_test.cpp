// The server over real sockets: what it takes, what it refuses and in which words.
#include "daemon/admin/admin_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace wiremill {
namespace {

using Reply = std::function<void(AdminReply)>;

// A client that sends bytes as they are.
class Peer {
 public:
  explicit Peer(const std::string& endpoint) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{60, 0};  // ends a hang
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Until `end` was read, or the server closed the connection.
  std::string receive(const std::string& end = "") {
    std::string text;
    char block[4096];
    while (end.empty() || text.find(end) == std::string::npos) {
      const ssize_t bytes = recv(fd_, block, sizeof block, 0);
      if (bytes <= 0) break;
      text.append(block, static_cast<size_t>(bytes));
    }
    return text;
  }
  // Waits for the server's word: true, the connection was closed with nothing sent before.
  bool is_closed() {
    char byte = 0;
    return recv(fd_, &byte, 1, 0) == 0;
  }
  std::string ask(const std::string& bytes, const std::string& end = "") {
    send(bytes);
    return receive(end);
  }

 private:
  int fd_;
};

std::string request(const std::string& line, const std::string& headers = "",
                    const std::string& body = "") {
  return line + " HTTP/1.1\r\nHost: 127.0.0.1:5754\r\nConnection: close\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
         body;
}

struct AdminServerTest : testing::Test {
  void SetUp() override { start({.endpoint = "tcp://127.0.0.1:*"}); }

  void start(const AdminOptions& options) {
    auto opened = AdminServer::open(options, context);
    ASSERT_TRUE(opened) << opened.error().message;
    server = std::move(*opened);
    server->route("GET", "/hello", [](const AdminRequest& asked, const Reply& reply) {
      const auto name = asked.query.find("name");
      reply({.body = "hello " + (name == asked.query.end() ? "you" : name->second)});
    });
    server->route("GET", "/api/hello",
                  [](const AdminRequest&, const Reply& reply) { reply({.body = "hello"}); });
    server->route("GET", "/things/", [](const AdminRequest& asked, const Reply& reply) {
      reply({.body = "thing " + asked.path});
    });
    server->route("POST", "/echo", [](const AdminRequest& asked, const Reply& reply) {
      reply({.body = asked.body});
    });
    server->route("DELETE", "/echo",
                  [](const AdminRequest&, const Reply& reply) { reply({.body = "gone"}); });
    server->route("GET", "/later", [this](const AdminRequest& asked, Reply reply) {
      const std::lock_guard lock(mutex);
      client_is_there = asked.client_is_there;
      kept.push_back(std::move(reply));
    });
    server->route("GET", "/never", [](const AdminRequest&, const Reply&) {});
    server->route("GET", "/throws", [](const AdminRequest&, const Reply&) {
      throw std::runtime_error("out of order");
    });
    thread = std::thread([this] { context.run(); });
  }
  void TearDown() override {
    context.stop();
    if (thread.joinable()) thread.join();
    server.reset();
    kept.clear();
  }
  std::string ask(const std::string& bytes) { return Peer(server->endpoint()).ask(bytes); }

  boost::asio::io_context context{1};
  std::unique_ptr<AdminServer> server;
  std::thread thread;
  std::mutex mutex;
  std::vector<Reply> kept;
  std::function<bool()> client_is_there;  // of the newest of them
};

TEST_F(AdminServerTest, AnswersAndDecodes) {
  const std::string answer = ask(request("GET /hello?name=M%C3%BCller+%26+co"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK")) << answer;
  EXPECT_TRUE(answer.ends_with("hello M\xC3\xBCller & co")) << answer;
  EXPECT_TRUE(ask(request("GET /things/a%20b/c")).ends_with("thing /things/a b/c"));
}

TEST_F(AdminServerTest, KeepsAConnection) {
  Peer peer(server->endpoint());
  for (int i = 0; i < 3; ++i)
    EXPECT_NE(peer.ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "hello you").find("200 OK"),
              std::string::npos);
  // Pipelined.
  const std::string two = peer.ask(
      "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=2 HTTP/1.1\r\nHost: x\r\n\r\n",
      "hello 2");
  EXPECT_NE(two.find("hello you"), std::string::npos);
}

TEST_F(AdminServerTest, RefusesInClearWords) {
  EXPECT_TRUE(ask(request("GET /absent")).starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(ask(request("GET /things")).starts_with("HTTP/1.1 404"));
  const std::string wrong_method = ask(request("PUT /hello", "X-Wiremill: 1\r\n"));
  EXPECT_TRUE(wrong_method.starts_with("HTTP/1.1 405")) << wrong_method;
  EXPECT_NE(wrong_method.find("Allow: GET"), std::string::npos) << wrong_method;
  EXPECT_TRUE(ask("rubbish\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask(request("GET hello")).starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask(request("GET /hello?name=%4")).starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask(request("GET /hello%00")).starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask(request("GET /throws")).starts_with("HTTP/1.1 500"));
}

TEST_F(AdminServerTest, HasLimits) {
  EXPECT_TRUE(ask(request("GET /hello", "X-Long: " + std::string(20'000, 'x') + "\r\n"))
                  .starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(ask("POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wiremill: 1\r\n"
                  "Content-Length: 1048577\r\n\r\n")
                  .starts_with("HTTP/1.1 413"));
  const std::string body(1 << 20, 'b');
  EXPECT_TRUE(ask(request("POST /echo", "X-Wiremill: 1\r\n", body)).ends_with("\r\n\r\n" + body));
}

TEST_F(AdminServerTest, WhatChangesSomethingNeedsMoreThanAWebPageCanSend) {
  EXPECT_TRUE(ask(request("POST /echo", "", "x")).starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(ask(request("DELETE /echo")).starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(ask(request("DELETE /echo", "X-Wiremill: 1\r\n")).starts_with("HTTP/1.1 200"));
  const auto with_host = [&](const std::string& host) {
    return ask("POST /echo HTTP/1.1\r\nHost: " + host +
               "\r\nX-Wiremill: 1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
  };
  EXPECT_TRUE(with_host("evil.example").starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(with_host("127.0.0.1.evil.example:5754").starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(with_host("").starts_with("HTTP/1.1 403"));
  // A page whose name was pointed here must not read documents; metrics are nobody's secret.
  EXPECT_TRUE(ask("GET /api/hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(ask(request("GET /api/hello")).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(ask("GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200"));
  for (const char* host : {"127.0.0.1:5754", "localhost", "localhost:80", "[::1]:5754"})
    EXPECT_TRUE(with_host(host).starts_with("HTTP/1.1 200")) << host;
}

TEST_F(AdminServerTest, AReplyMayComeLaterFromAnotherThread) {
  Peer peer(server->endpoint());
  peer.send(request("GET /later"));
  Reply reply;
  while (!reply) {
    const std::lock_guard lock(mutex);
    if (!kept.empty()) reply = std::move(kept.front());
  }
  reply({.status = 200, .content_type = "text/plain", .body = "at last"});
  reply({.body = "only the first counts"});
  const std::string answer = peer.receive();
  EXPECT_TRUE(answer.ends_with("at last")) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain"), std::string::npos);
  EXPECT_TRUE(ask(request("GET /never")).starts_with("HTTP/1.1 503"));
}

TEST_F(AdminServerTest, TheLastReplyMayOutliveTheServer) {
  Peer peer(server->endpoint());
  peer.send(request("GET /later"));
  for (bool there = false; !there;) {
    const std::lock_guard lock(mutex);
    there = !kept.empty();
  }
  context.stop();
  thread.join();
  server.reset();
  kept.front()({.body = "too late"});
  EXPECT_TRUE(peer.is_closed()) << "nothing was answered";
}

TEST_F(AdminServerTest, WhoeverAnswersLaterKnowsWhetherTheClientIsThere) {
  auto peer = std::make_unique<Peer>(server->endpoint());
  peer->send(request("GET /later"));
  for (bool there = false; !there;) {
    const std::lock_guard lock(mutex);
    there = !kept.empty();
  }
  EXPECT_TRUE(client_is_there());
  peer->send("what is not read yet");
  EXPECT_TRUE(client_is_there());
  peer = std::make_unique<Peer>(server->endpoint());
  peer->send(request("GET /later"));
  for (bool there = false; !there;) {
    const std::lock_guard lock(mutex);
    there = kept.size() == 2;
  }
  peer.reset();
  EXPECT_FALSE(client_is_there());
  kept.back()({.body = "for nobody"});
}

struct FewConnectionsTest : AdminServerTest {
  void SetUp() override { start({.endpoint = "tcp://127.0.0.1:*", .connections_max = 4}); }
};
struct ShortTimeoutTest : AdminServerTest {
  void SetUp() override { start({.endpoint = "tcp://127.0.0.1:*", .idle_timeout_ms = 200}); }
};

TEST_F(FewConnectionsTest, ClosesTheConnectionsThatWaitLongest) {
  std::vector<std::unique_ptr<Peer>> idle;
  for (int i = 0; i < 20; ++i) {
    idle.push_back(std::make_unique<Peer>(server->endpoint()));
    idle.back()->send("GET /hel");
  }
  EXPECT_TRUE(ask(request("GET /hello")).starts_with("HTTP/1.1 200"));
}

TEST_F(ShortTimeoutTest, ClosesWhatIsTooSlow) {
  Peer slow(server->endpoint());
  EXPECT_EQ(slow.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Le"), "");
}

TEST(AdminEndpointTest, IsRefusedInClearWords) {
  boost::asio::io_context context;
  for (const char* endpoint : {"ipc://x", "tcp://nowhere:1", "tcp://127.0.0.1:70000", "tcp://:1"}) {
    const auto opened = AdminServer::open({.endpoint = endpoint}, context);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::Config);
    EXPECT_NE(opened.error().message.find(endpoint), std::string::npos);
  }
  const auto first = AdminServer::open({.endpoint = "tcp://127.0.0.1:*"}, context);
  ASSERT_TRUE(first);
  const auto second = AdminServer::open({.endpoint = (*first)->endpoint()}, context);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Unavailable);
}

}  // namespace
}  // namespace wiremill
