// Numbered documents, through the client.
#include "wiremill/client.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "daemon/intake/intake_harness.hpp"

namespace wiremill {
namespace {

using std::chrono::milliseconds;

class Client : public ::testing::Test {
 protected:
  IntakeHarness daemon_;
};

std::unique_ptr<IntakeClient> make_client(const std::string& endpoint, const std::string& name,
                                          uint32_t window = 2000) {
  IntakeClientOptions options;
  options.endpoint = endpoint;
  options.client = name;
  options.window = window;
  std::string error;
  auto client = IntakeClient::connect(options, error);
  EXPECT_NE(client, nullptr) << error;
  return client;
}

TEST_F(Client, FourClientsArriveExactlyOnceThroughAFullQueue) {
  daemon_.log_options.queue_bytes_max = 64 << 10;  // about 60 documents: BUSY, then go back
  daemon_.options.retry_after_ms = 5;
  daemon_.start();
  constexpr uint64_t kDocuments = 5000;
  std::vector<std::thread> threads;
  std::vector<std::set<uint64_t>> sequences(4);
  for (size_t c = 0; c < 4; ++c)
    threads.emplace_back([&, c] {
      const auto client = make_client(daemon_.options.endpoint, "client" + std::to_string(c));
      std::vector<IntakeEvent> events;
      uint64_t pushed = 0, answered = 0;
      while (answered < kDocuments) {
        while (pushed < kDocuments &&
               client->push(Encoding::Protobuf,
                            document_bytes(std::to_string(c) + ":" + std::to_string(pushed),
                                           std::string(1000, 'x')),
                            pushed))
          ++pushed;
        events.clear();
        client->poll(milliseconds(1000), events);
        for (const IntakeEvent& event : events) {
          ASSERT_EQ(event.kind, IntakeEvent::Kind::Accepted) << event.message;
          ASSERT_EQ(event.tag, answered++);  // answers come in order
          sequences[c].insert(event.sequence);
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(daemon_.intake->counters().refused[v1::Nack::BUSY], 0U);
  std::set<uint64_t> all;
  for (const auto& one : sequences) {
    EXPECT_EQ(one.size(), kDocuments);
    all.insert(one.begin(), one.end());
  }
  EXPECT_EQ(all.size(), 4 * kDocuments);
  std::map<std::string, uint64_t> next;
  for (const auto& record : daemon_.records()) EXPECT_EQ(record.number(), ++next[record.client()]);
  for (const auto& [client, numbers] : next) EXPECT_EQ(numbers, kDocuments) << client;
}

TEST_F(Client, TheClientGoesOnThroughRestarts) {
  daemon_.start();
  const std::string endpoint = daemon_.options.endpoint;
  constexpr uint64_t kDocuments = 20'000;
  std::atomic<uint64_t> answered{0};
  std::thread pusher([&] {
    const auto client = make_client(endpoint, "lasting", 500);
    std::vector<IntakeEvent> events;
    uint64_t pushed = 0;
    while (answered < kDocuments) {
      // Every tenth is refused, every seventh a repeat of the one before the last.
      while (pushed < kDocuments) {
        const std::string document =
            pushed % 10 == 9 ? "\xff"
            : pushed % 7 == 6
                ? document_bytes(std::to_string(pushed - 2), std::to_string(pushed - 2))
                : document_bytes(std::to_string(pushed), std::to_string(pushed));
        if (!client->push(Encoding::Protobuf, document, pushed)) break;
        ++pushed;
      }
      events.clear();
      client->poll(milliseconds(1000), events);
      for (const IntakeEvent& event : events) {
        EXPECT_EQ(event.kind == IntakeEvent::Kind::Refused, event.tag % 10 == 9);
        EXPECT_EQ(event.kind == IntakeEvent::Kind::Accepted, event.sequence > 0);
        ++answered;
      }
    }
    EXPECT_EQ(client->unanswered(), 0U);
  });
  for (uint64_t stop_at = 2000; stop_at < 18'000; stop_at += 4000) {
    while (answered < stop_at) std::this_thread::sleep_for(milliseconds(1));
    daemon_.stop();
    if (stop_at == 6000) std::filesystem::remove_all(daemon_.options.ledger_directory);
    daemon_.start();
  }
  pusher.join();
  std::set<std::string> ids;
  for (const auto& record : daemon_.records())
    EXPECT_TRUE(ids.insert(record.id()).second) << record.id() << " twice";
}

TEST_F(Client, AClientWithoutADaemonWaits) {
  daemon_.start();
  const std::string endpoint = daemon_.options.endpoint;
  daemon_.stop();
  const auto client = make_client(endpoint, "early");
  ASSERT_TRUE(client->push(Encoding::Json, R"({"id":"j"})", 5));
  std::vector<IntakeEvent> events;
  client->poll(milliseconds(50), events);
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(client->disconnected_for().has_value());
  daemon_.start();
  while (events.empty()) client->poll(milliseconds(1000), events);
  EXPECT_EQ(events[0].tag, 5U);
  EXPECT_EQ(events[0].id, "j");
  EXPECT_FALSE(client->disconnected_for().has_value());
  EXPECT_EQ(client->unanswered(), 0U);
  client->poll(milliseconds(1000), events);  // nothing to wait for
}

TEST_F(Client, TheClientReportsWhatIsRefusedAndGoesOn) {
  daemon_.start();
  const auto client = make_client(daemon_.options.endpoint, "c");
  ASSERT_TRUE(client->push(Encoding::Json, "{}", 1));
  ASSERT_TRUE(client->push(Encoding::Protobuf, std::string(10 << 20, 'x'), 2));
  ASSERT_TRUE(client->push(Encoding::Json, "{", 3));
  ASSERT_TRUE(client->push(Encoding::Json, "{}", 4));
  std::map<uint64_t, IntakeEvent> by_tag;
  std::vector<IntakeEvent> events;
  while (by_tag.size() < 4) {
    events.clear();
    client->poll(milliseconds(1000), events);
    for (const IntakeEvent& event : events) by_tag[event.tag] = event;
  }
  EXPECT_EQ(by_tag[1].sequence, 1U);
  EXPECT_EQ(by_tag[2].code, "TOO_LARGE");
  EXPECT_EQ(by_tag[3].code, "MALFORMED");
  EXPECT_EQ(by_tag[4].sequence, 2U);
}

}  // namespace
}  // namespace wiremill
