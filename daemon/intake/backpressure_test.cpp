// Every bound has its refusal, and each is counted by client and reason; what is asked of the intake
// by other threads: hold, retry, find, clients.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "daemon/intake/intake_harness.hpp"
#include "daemon/log/memory_file_system.hpp"

namespace wiremill {
namespace {

class Backpressure : public ::testing::Test {
 protected:
  Intake::ClientCounts counts_of(const std::string& client) {
    for (const auto& counts : daemon_.intake->clients())
      if (counts.client == client) return counts;
    ADD_FAILURE() << "nothing is counted of " << client;
    return {};
  }
  // The address that all of a test's sockets come from.
  Intake::ClientCounts counts_of_address(bool firehose) {
    for (const auto& counts : daemon_.intake->clients())
      if (counts.client == "127.0.0.1" && counts.firehose == firehose && counts.bare == !firehose)
        return counts;
    ADD_FAILURE() << "nothing is counted of 127.0.0.1";
    return {};
  }
  Result<uint64_t> retry(uint64_t dead_sequence, const std::string& record) {
    std::promise<Result<uint64_t>> promise;
    daemon_.intake->retry(dead_sequence, record,
                          [&](const auto& done) { promise.set_value(done); });
    return promise.get_future().get();
  }
  std::optional<uint64_t> find(const std::string& id) {
    std::promise<std::optional<uint64_t>> promise;
    daemon_.intake->find(id, [&](auto found) { promise.set_value(found); });
    return promise.get_future().get();
  }

  MemoryFileSystem memory_;
  IntakeHarness daemon_;
};

TEST_F(Backpressure, HeldItRefusesWhatIsNewAndAnswersWhatIsStored) {
  daemon_.options.firehose_endpoint = "tcp://127.0.0.1:*";
  daemon_.options.retry_after_ms = 77;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint), bare(daemon_.options.endpoint);
  RawPeer pusher(daemon_.intake->firehose_endpoint(), zmq::socket_type::push);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("a", "x"));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);

  daemon_.intake->hold("1 MiB is free, 1 GiB is needed");
  peer.put(2, document_bytes("b", "x"));
  v1::Nack nack = peer.nack();
  EXPECT_EQ(nack.code(), v1::Nack::NO_SPACE);
  EXPECT_EQ(nack.number(), 2U);
  EXPECT_EQ(nack.id(), "b");
  EXPECT_EQ(nack.message(), "1 MiB is free, 1 GiB is needed");
  EXPECT_EQ(nack.retry_after_ms(), 77U);
  peer.put(3, document_bytes("c", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::OUT_OF_ORDER);
  peer.put(1, document_bytes("a", "x"));  // the number once more
  EXPECT_EQ(peer.accepted_up_to(1).at(0).sequence(), 1U);
  peer.put(2, document_bytes("a", "x"));  // and the document under a new one
  const auto repeat = peer.accepted_up_to(2);
  ASSERT_EQ(repeat.size(), 1U);
  EXPECT_TRUE(repeat[0].repeat());
  EXPECT_EQ(repeat[0].sequence(), 1U);
  bare.send({"json", R"({"id":"a","body":"x"})"});
  EXPECT_EQ(bare.receive().at(0), R"({"ack":{"sequence":1,"id":"a"}})");
  bare.send({"json", R"({"id":"d"})"});
  EXPECT_EQ(bare.receive().at(0),
            R"({"nack":{"id":"d","code":"NO_SPACE","message":"1 MiB is free, 1 GiB is needed",)"
            R"("retry_after_ms":77}})");
  pusher.send({"json", "{}"});
  while (daemon_.intake->counters().firehose_dropped < 1) std::this_thread::yield();

  daemon_.intake->hold("");
  peer.put(3, document_bytes("b", "x"));
  EXPECT_EQ(peer.accepted_up_to(3).at(0).sequence(), 2U);
  EXPECT_EQ(daemon_.records().size(), 2U);
  const auto counts = counts_of("c");
  EXPECT_EQ(counts.accepted, 2U);
  EXPECT_EQ(counts.repeats, 1U);
  EXPECT_EQ(counts.refused[v1::Nack::NO_SPACE], 1U);
  EXPECT_EQ(counts.refused[v1::Nack::OUT_OF_ORDER], 1U);
  EXPECT_EQ(counts_of_address(false).refused[v1::Nack::NO_SPACE], 1U);
  EXPECT_EQ(counts_of_address(false).repeats, 1U);
  EXPECT_EQ(counts_of_address(true).refused[v1::Nack::NO_SPACE], 1U);
  EXPECT_EQ(daemon_.intake->counters().refused[v1::Nack::NO_SPACE], 3U);
}

TEST_F(Backpressure, AFullDiskHoldsUpAndLosesNothing) {
  daemon_.log_options.files = &memory_;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("a", "x"));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  memory_.set_gate([](MemoryFileSystem::Kind kind, const std::string&) -> Status {
    if (kind == MemoryFileSystem::Kind::Write) return fail(ErrorCode::NoSpace, "the disk is full");
    return {};
  });
  peer.put(2, document_bytes("b", "x"));  // taken, and waits
  while (daemon_.log->health()) std::this_thread::yield();
  EXPECT_EQ(daemon_.log->health().error().code, ErrorCode::NoSpace);
  // The intake looks each tick.
  uint64_t number = 2;
  for (v1::Nack nack; nack.code() != v1::Nack::NO_SPACE;) {
    ASSERT_LT(++number, 1000U);
    const uint64_t taken = daemon_.intake->counters().accepted;
    peer.put(number, document_bytes("more" + std::to_string(number), "x"));
    while (daemon_.intake->counters().accepted == taken &&
           daemon_.intake->counters().refused[v1::Nack::NO_SPACE] == 0)
      std::this_thread::yield();
    if (daemon_.intake->counters().refused[v1::Nack::NO_SPACE] == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    nack = peer.nack();
    EXPECT_GT(nack.retry_after_ms(), 0U);
    EXPECT_EQ(nack.number(), number);
  }
  memory_.set_gate({});
  const auto accepted = peer.accepted_up_to(number - 1);
  EXPECT_EQ(accepted.size(), number - 2);
  for (v1::IntakeReply reply; !reply.has_ack();) {  // resumes by itself
    peer.put(number, document_bytes("last", "x"));
    reply = peer.reply();
    EXPECT_TRUE(reply.has_ack() || reply.nack().code() == v1::Nack::NO_SPACE);
  }
  EXPECT_EQ(daemon_.records().size(), number);
}

TEST_F(Backpressure, CreditAndQueuesAreCountedByClient) {
  daemon_.options.credit = 10;
  daemon_.options.bare_outstanding_max = 5;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint), bare(daemon_.options.endpoint);
  peer.put(1, document_bytes("", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::NO_HELLO);
  peer.hello("c", 1);
  peer.welcome();
  for (uint64_t number : {11, 12, 13}) {
    peer.put(number, document_bytes("", "x"));
    EXPECT_EQ(peer.nack().code(), v1::Nack::NO_CREDIT);
  }
  peer.put(1, "\xff");
  EXPECT_EQ(peer.nack().code(), v1::Nack::MALFORMED);
  EXPECT_EQ(counts_of("c").refused[v1::Nack::NO_CREDIT], 3U);
  EXPECT_EQ(counts_of("c").refused[v1::Nack::MALFORMED], 1U);
  EXPECT_EQ(counts_of_address(false).refused[v1::Nack::NO_HELLO], 1U);
  constexpr uint64_t kMessages = 2000;
  for (uint64_t i = 0; i < kMessages; ++i) bare.send({"json", "{}"});
  for (uint64_t i = 0; i < kMessages; ++i) ASSERT_EQ(bare.receive().size(), 1U);
  const auto counts = counts_of_address(false);
  EXPECT_GT(counts.refused[v1::Nack::BUSY], 0U);
  EXPECT_EQ(counts.accepted + counts.refused[v1::Nack::BUSY], kMessages);
  EXPECT_EQ(daemon_.intake->clients().at(0).client, "127.0.0.1");  // the busiest first
}

TEST_F(Backpressure, AFullQueueIsBusyToEachAndTheFirehoseDrops) {
  daemon_.log_options.files = &memory_;
  daemon_.log_options.queue_bytes_max = 4096;
  daemon_.options.firehose_endpoint = "tcp://127.0.0.1:*";
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  RawPeer pusher(daemon_.intake->firehose_endpoint(), zmq::socket_type::push);
  peer.hello("c", 1);
  peer.welcome();
  std::promise<void> open_gate;
  const auto opened = open_gate.get_future().share();
  memory_.set_gate([opened](MemoryFileSystem::Kind kind, const std::string&) -> Status {
    if (kind == MemoryFileSystem::Kind::Sync) opened.wait();
    return {};
  });
  peer.put(1, document_bytes("", std::string(5000, 'x')));  // larger than the queue: taken alone
  peer.put(2, document_bytes("", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::BUSY);
  pusher.send({"json", "{}"});
  while (daemon_.intake->counters().firehose_dropped < 1) std::this_thread::yield();
  EXPECT_EQ(counts_of("c").refused[v1::Nack::BUSY], 1U);
  EXPECT_EQ(counts_of_address(true).refused[v1::Nack::BUSY], 1U);
  memory_.set_gate({});
  open_gate.set_value();
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
}

TEST_F(Backpressure, ClientsAreForgottenBeyondTheBound) {
  daemon_.options.clients_max = 20;
  daemon_.start();
  for (int i = 0; i < 100; ++i) {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("client" + std::to_string(i), 1);
    peer.welcome();
    peer.put(1, document_bytes("", "x"));
    EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  }
  const auto clients = daemon_.intake->clients();
  EXPECT_EQ(clients.size(), 20U);
  EXPECT_EQ(counts_of("client99").accepted, 1U);
}

TEST_F(Backpressure, ARetryIsANewSequenceAndNoRepeat) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("a", "x"));
  peer.put(2, document_bytes("", "no id"));
  EXPECT_EQ(peer.accepted_up_to(2).size(), 2U);
  auto records = daemon_.records();
  EXPECT_EQ(retry(1, records[0].SerializeAsString()).value(), 3U);
  EXPECT_EQ(daemon_.log->durable(), 3U);  // told once it is on disk
  EXPECT_EQ(retry(2, records[1].SerializeAsString()).value(), 4U);
  EXPECT_EQ(retry(1, records[0].SerializeAsString()).value(), 3U) << "it is tried again already";
  records = daemon_.records();
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[2].client(), "c");
  EXPECT_EQ(records[2].id(), "a");
  EXPECT_EQ(records[2].document(), records[0].document());
  EXPECT_EQ(records[2].retries(), 1U);
  EXPECT_EQ(records[2].first_sequence(), 1U);
  EXPECT_EQ(records[2].revises(), 0U);
  EXPECT_EQ(records[2].number(), 0U);
  EXPECT_GE(records[2].accepted_at_us(), records[1].accepted_at_us());
  EXPECT_EQ(records[3].id(), "seq:2");
  // A retry of the retry: the dead letter is the newest, the first sequence stays.
  EXPECT_EQ(retry(3, records[2].SerializeAsString()).value(), 5U);
  records = daemon_.records();
  EXPECT_EQ(records[4].retries(), 3U);
  EXPECT_EQ(records[4].first_sequence(), 1U);
  EXPECT_EQ(daemon_.intake->counters().retries, 3U);

  for (int round = 0; round < 3; ++round) {  // by the ledger, and by the log alone
    EXPECT_EQ(find("a"), 5U);
    EXPECT_EQ(find("b"), std::nullopt);
    RawPeer again(daemon_.options.endpoint);
    again.hello("c", 2);
    const uint64_t number = again.welcome().durable_up_to() + 1;
    again.put(number, document_bytes("a", "x"));
    const auto accepted = again.accepted_up_to(number);
    ASSERT_EQ(accepted.size(), 1U);
    EXPECT_TRUE(accepted[0].repeat());
    EXPECT_EQ(accepted[0].sequence(), 5U);
    EXPECT_EQ(daemon_.records().size(), 5U);
    daemon_.stop();
    if (round == 1) std::filesystem::remove_all(daemon_.options.ledger_directory);
    daemon_.start();
  }
  // The client's own numbers went on without the retries.
  RawPeer first(daemon_.options.endpoint);
  first.hello("c", 1);
  EXPECT_EQ(first.welcome().durable_up_to(), 2U);
}

TEST_F(Backpressure, AnIdKeepsStandingForItsLatestContentWhenAnOlderOneIsRetried) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("a", "old"));
  peer.put(2, document_bytes("a", "new"));
  EXPECT_EQ(peer.accepted_up_to(2).size(), 2U);
  EXPECT_EQ(retry(1, daemon_.records()[0].SerializeAsString()).value(), 3U);
  EXPECT_EQ(find("a"), 2U);
  daemon_.stop();
  std::filesystem::remove_all(daemon_.options.ledger_directory);
  daemon_.start();
  EXPECT_EQ(find("a"), 2U);
  RawPeer again(daemon_.options.endpoint);
  again.hello("d", 1);
  again.welcome();
  again.put(1, document_bytes("a", "new"));
  EXPECT_EQ(again.accepted_up_to(1).at(0).sequence(), 2U);
}

TEST_F(Backpressure, ARetryThatCannotBeTakenSaysWhy) {
  daemon_.log_options.files = &memory_;
  daemon_.start();
  EXPECT_EQ(retry(1, "\xff\xff").error().code, ErrorCode::Malformed);
  v1::IntakeRecord record;
  record.set_document(document_bytes("a", "x"));
  daemon_.intake->hold("the disk is nearly full");
  EXPECT_EQ(retry(1, record.SerializeAsString()).error().code, ErrorCode::NoSpace);
  daemon_.intake->hold("");
  memory_.set_gate([](MemoryFileSystem::Kind kind, const std::string&) -> Status {
    if (kind == MemoryFileSystem::Kind::Sync || kind == MemoryFileSystem::Kind::Open)
      return fail(ErrorCode::Io, "the disk is broken");
    return {};
  });
  EXPECT_EQ(retry(1, record.SerializeAsString()).error().code, ErrorCode::Io);
  EXPECT_EQ(retry(1, record.SerializeAsString()).error().code, ErrorCode::Io);
  daemon_.intake->stop_accepting();
  EXPECT_EQ(retry(1, record.SerializeAsString()).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(daemon_.records().size(), 0U);
}

}  // namespace
}  // namespace wiremill
