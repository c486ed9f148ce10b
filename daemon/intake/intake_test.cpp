// Numbered documents, through raw sockets.
#include "daemon/intake/intake.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "daemon/intake/intake_harness.hpp"
#include "daemon/log/memory_file_system.hpp"

namespace wiremill {
namespace {

using std::chrono::milliseconds;

class Numbered : public ::testing::Test {
 protected:
  MemoryFileSystem memory_;  // where a test wants a disk that fails
  IntakeHarness daemon_;
};

TEST_F(Numbered, AcknowledgedOnceDurable) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 7);
  const v1::Welcome welcome = peer.welcome();
  EXPECT_EQ(welcome.durable_up_to(), 0U);
  EXPECT_EQ(welcome.credit(), daemon_.options.credit);
  EXPECT_EQ(welcome.document_bytes_max(), 64U << 10);
  for (uint64_t number = 1; number <= 100; ++number)
    peer.put(number, document_bytes("", "text " + std::to_string(number)));
  const auto accepted = peer.accepted_up_to(100);
  ASSERT_EQ(accepted.size(), 100U);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(accepted[i].number(), i + 1);
    EXPECT_EQ(accepted[i].sequence(), i + 1);
    EXPECT_EQ(accepted[i].id(), "seq:" + std::to_string(i + 1));
  }
  const auto records = daemon_.records();
  ASSERT_EQ(records.size(), 100U);
  EXPECT_EQ(records[41].client(), "c");
  EXPECT_EQ(records[41].session(), 7U);
  EXPECT_EQ(records[41].number(), 42U);
  for (size_t i = 1; i < records.size(); ++i)
    EXPECT_GE(records[i].accepted_at_us(), records[i - 1].accepted_at_us());
}

TEST_F(Numbered, WhatIsNotInOrderIsRefusedForNow) {
  daemon_.options.credit = 10;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.put(1, document_bytes("", "x"));
  v1::Nack nack = peer.nack();
  EXPECT_EQ(nack.code(), v1::Nack::NO_HELLO);
  EXPECT_EQ(nack.number(), 1U);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(2, document_bytes("", "x"));
  nack = peer.nack();
  EXPECT_EQ(nack.code(), v1::Nack::OUT_OF_ORDER);
  EXPECT_EQ(nack.number(), 2U);
  EXPECT_GT(nack.retry_after_ms(), 0U);
  peer.put(11, document_bytes("", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::NO_CREDIT);
  peer.put(0, document_bytes("", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::MALFORMED);
  peer.put(1, document_bytes("", "x"));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  EXPECT_EQ(daemon_.records().size(), 1U);
}

TEST_F(Numbered, FinalRefusalsSettleTheirNumber) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  const struct {
    std::string document, content_type;
    v1::Nack::Code code;
    std::string id;
  } cases[] = {
      {std::string((64 << 10) + 1, 'x'), "", v1::Nack::TOO_LARGE, ""},
      {std::string(4 * (64 << 10), 'x'), "", v1::Nack::TOO_LARGE, ""},
      {"\xff\xff\xff", "", v1::Nack::MALFORMED, ""},
      {"{\"body\":}", "application/json", v1::Nack::MALFORMED, ""},
      {"a,b", "text/csv", v1::Nack::UNSUPPORTED, ""},
      {document_bytes("pic", "x", "image/png"), "", v1::Nack::UNSUPPORTED, "pic"},
      {document_bytes(std::string(2000, 'i'), "x"), "", v1::Nack::TOO_LARGE, ""},
  };
  uint64_t number = 0;
  for (const auto& one : cases) {
    peer.put(++number, one.document, one.content_type);
    const v1::Nack nack = peer.nack();
    EXPECT_EQ(nack.code(), one.code) << number << nack.message();
    EXPECT_EQ(nack.number(), number);
    EXPECT_EQ(nack.id(), one.id);
    EXPECT_FALSE(nack.message().empty());
    EXPECT_TRUE(peer.accepted_up_to(number).empty());
  }
  for (const char* type : {"text/plain", "Text/HTML; charset=latin1", "application/xhtml+xml",
                           "text/markdown;variant=GFM", ""})
    peer.put(++number, document_bytes("", type, type));
  EXPECT_EQ(peer.accepted_up_to(number).size(), 5U);
  EXPECT_EQ(daemon_.intake->counters().refused[v1::Nack::TOO_LARGE], 3U);
  // What was refused stays refused, and its number is not for another document.
  peer.put(3, "\xff\xff\xff");
  EXPECT_EQ(peer.nack().code(), v1::Nack::MALFORMED);
  peer.put(3, document_bytes("", "mended"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::NUMBER_REUSED);
  EXPECT_EQ(daemon_.records().size(), 5U);
}

TEST_F(Numbered, AKnownNumberIsAcknowledgedAgainForTheSameDocumentOnly) {
  daemon_.options.credit = 100;
  daemon_.start();
  for (int round = 0; round < 3; ++round) {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("c", 1);
    EXPECT_EQ(peer.welcome().durable_up_to(), round == 0 ? 0U : 50U);
    for (uint64_t number = 1; number <= 50; ++number)
      peer.put(number, document_bytes("id" + std::to_string(number), "x"));
    std::map<uint64_t, uint64_t> sequences;
    while (sequences.size() < 50) {
      const v1::IntakeReply reply = peer.reply();
      ASSERT_TRUE(reply.has_ack());
      for (const auto& accepted : reply.ack().accepted())
        sequences[accepted.number()] = accepted.sequence();
    }
    for (const auto& [number, sequence] : sequences) EXPECT_EQ(number, sequence);
    peer.put(20, document_bytes("id20", "other"));
    v1::Nack nack = peer.nack();
    EXPECT_EQ(nack.code(), v1::Nack::NUMBER_REUSED);
    EXPECT_EQ(nack.number(), 20U);
    peer.put(20, document_bytes("id21", "x"));
    EXPECT_EQ(peer.nack().code(), v1::Nack::NUMBER_REUSED);
    EXPECT_EQ(daemon_.records().size(), 50U);
    daemon_.stop();  // and the same again from what is on disk
    if (round == 1) std::filesystem::remove_all(daemon_.options.ledger_directory);
    daemon_.start();
  }
}

TEST_F(Numbered, JunkIsMalformedAndHarmless) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  v1::IntakeRequest empty_client;
  empty_client.mutable_hello()->set_session(1);
  v1::IntakeRequest long_client;
  long_client.mutable_hello()->set_client(std::string(129, 'c'));
  v1::IntakeRequest far;
  far.mutable_hello()->set_client("c");
  far.mutable_hello()->set_settled_up_to(UINT64_MAX);
  const std::vector<std::string> messages[] = {{"WM1"},
                                               {"WM1", ""},
                                               {"WM1", "\xff\xff"},
                                               {"WM1", empty_client.SerializeAsString()},
                                               {"WM1", long_client.SerializeAsString()},
                                               {"WM1", far.SerializeAsString()},
                                               {"WM1", "a", "b", "c", "d"}};
  for (const auto& message : messages) {
    peer.send(message);
    const v1::Nack nack = peer.nack();
    EXPECT_EQ(nack.code(), v1::Nack::MALFORMED);
    EXPECT_EQ(nack.number(), 0U);
  }
  peer.hello("c", 1);
  peer.welcome();
  v1::IntakeRequest put;
  put.mutable_put()->set_number(1);
  peer.send({"WM1", put.SerializeAsString()});
  EXPECT_EQ(peer.nack().number(), 1U);
  EXPECT_TRUE(peer.accepted_up_to(1).empty());
  put.mutable_put()->set_number(2);
  peer.send({"WM1", put.SerializeAsString(), "a", "b", "c"});
  EXPECT_EQ(peer.nack().code(), v1::Nack::MALFORMED);
  EXPECT_TRUE(peer.accepted_up_to(2).empty());
  peer.put(3, document_bytes("", "x"));
  EXPECT_EQ(peer.accepted_up_to(3).size(), 1U);
}

TEST_F(Numbered, WhatStandsInTheLogCanBeReadWhateverWasRepaired) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("client", 1);
  peer.welcome();
  // Field 4, the title, with a byte that is no UTF-8: protobuf refuses to read such a string.
  peer.put(1, document_bytes("one", "body") + std::string("\x22\x03"
                                                          "a\xff"
                                                          "b",
                                                          5));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  v1::Document document;
  const auto records = daemon_.records();
  ASSERT_EQ(records.size(), 1U);
  ASSERT_TRUE(document.ParseFromString(records[0].document()));
  EXPECT_EQ(document.title(),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(document.body(), "body");
}

TEST_F(Numbered, RepeatsAndRevisionsOutliveARestart) {
  daemon_.start();
  for (int round = 0; round < 3; ++round) {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("c", static_cast<uint64_t>(100 + round));
    peer.welcome();
    peer.put(1, document_bytes("a", "first"));
    peer.put(2, document_bytes("a", "version " + std::to_string(round)));
    peer.put(3, document_bytes("b", "the same"));
    const auto accepted = peer.accepted_up_to(3);
    ASSERT_EQ(accepted.size(), 3U);
    EXPECT_EQ(accepted[2].repeat(), round > 0);
    EXPECT_EQ(accepted[2].sequence(), 3U);
    EXPECT_EQ(accepted[2].id(), "b");
    EXPECT_FALSE(accepted[1].repeat());
    daemon_.stop();
    if (round == 1) std::filesystem::remove_all(daemon_.options.ledger_directory);
    daemon_.start();
  }
  const auto records = daemon_.records();
  ASSERT_EQ(records.size(), 7U);  // 1 2 3, then two revisions of "a" each round
  EXPECT_EQ(records[0].revises(), 0U);
  EXPECT_EQ(records[1].revises(), 1U);
  EXPECT_EQ(records[3].revises(), 2U);
  EXPECT_EQ(records[4].revises(), 4U);
  EXPECT_EQ(records[6].revises(), 6U);
}

TEST_F(Numbered, SettledNumbersThatLeftNoRecordAreTakenFromHello) {
  daemon_.start();
  {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("c", 1);
    peer.welcome();
    peer.put(1, document_bytes("", "x"));
    for (uint64_t number = 2; number <= 5; ++number) peer.put(number, "\xff");
    for (int i = 0; i < 4; ++i) {
      v1::IntakeReply reply = peer.reply();
      if (!reply.has_nack()) --i;
    }
  }
  daemon_.stop();
  std::filesystem::remove_all(daemon_.options.ledger_directory);
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1, 5);
  EXPECT_EQ(peer.welcome().durable_up_to(), 5U);
  peer.put(6, document_bytes("", "y"));
  EXPECT_EQ(peer.accepted_up_to(6).size(), 1U);
}

TEST_F(Numbered, DrainingRefusesForNowAndAnswersWhatIsDue) {
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("", "x"));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  daemon_.intake->stop_accepting();
  peer.put(2, document_bytes("", "x"));
  const v1::Nack nack = peer.nack();
  EXPECT_EQ(nack.code(), v1::Nack::SHUTTING_DOWN);
  EXPECT_GT(nack.retry_after_ms(), 0U);
  peer.put(3, document_bytes("", "x"));
  EXPECT_EQ(peer.nack().code(), v1::Nack::OUT_OF_ORDER);
  peer.send({"json", "{}"});
  EXPECT_NE(peer.receive().at(0).find("SHUTTING_DOWN"), std::string::npos);
}

TEST_F(Numbered, AThousandConnectionsLeaveNothingBehind) {
  daemon_.options.clients_max = 50;
  daemon_.start();
  for (int i = 0; i < 1000; ++i) {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("client" + std::to_string(i), 1);
    peer.welcome();
    peer.put(1, document_bytes("", "x"));  // and gone in the middle
    if (i % 3 == 0) peer.accepted_up_to(1);
  }
  const IntakeCounters& counters = daemon_.intake->counters();
  EXPECT_LE(counters.connections, 50U);
  while (counters.waiting > 0) std::this_thread::yield();
  EXPECT_LE(counters.sessions, 50U);
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("last", 1);
  peer.welcome();
  peer.put(1, document_bytes("", "x"));
  EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
}

TEST_F(Numbered, NothingIsAcknowledgedThatTheDiskRefused) {
  daemon_.log_options.files = &memory_;
  daemon_.start();
  const auto exchange = [&](RawPeer& peer) {
    peer.put(1, document_bytes("a", "x"));
    EXPECT_EQ(peer.accepted_up_to(1).size(), 1U);
  };
  RawPeer peer(daemon_.options.endpoint);
  RawPeer bare(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  exchange(peer);
  memory_.set_gate([](MemoryFileSystem::Kind kind, const std::string&) -> Status {
    if (kind == MemoryFileSystem::Kind::Sync) return fail(ErrorCode::Io, "the disk is broken");
    return {};
  });
  bare.send({"json", R"({"id":"bare"})"});
  EXPECT_NE(bare.receive().at(0).find("\"READ_ONLY\""), std::string::npos);
  for (int attempt = 0; attempt < 3; ++attempt) {
    peer.put(2, document_bytes("b", "x"));
    const v1::Nack nack = peer.nack();
    EXPECT_EQ(nack.code(), v1::Nack::READ_ONLY);
    EXPECT_EQ(nack.number(), 2U);
    EXPECT_GT(nack.retry_after_ms(), 0U);
  }
  exchange(peer);  // what was acknowledged stays so
  daemon_.stop();
  memory_.set_gate({});
  daemon_.start();
  RawPeer again(daemon_.options.endpoint);
  again.hello("c", 1);
  again.welcome();
  exchange(again);
  again.put(2, document_bytes("b", "x"));
  EXPECT_EQ(again.accepted_up_to(2).size(), 1U);
}

TEST_F(Numbered, WhatAHelloClaimsIsNotOnDiskForThat) {
  daemon_.log_options.files = &memory_;
  daemon_.start();
  std::atomic<bool> stuck = true;
  memory_.set_gate([&](MemoryFileSystem::Kind kind, const std::string&) -> Status {
    while (kind == MemoryFileSystem::Kind::Sync && stuck)
      std::this_thread::sleep_for(milliseconds(1));
    return {};
  });
  const std::shared_ptr<void> release(nullptr, [&](void*) {
    stuck = false;
    memory_.set_gate({});
  });
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  peer.put(1, document_bytes("a", "x"));
  peer.hello("c", 1, 5);
  peer.welcome();
  peer.put(1, document_bytes("a", "x"));
  for (int i = 0; i < 3; ++i) {
    peer.hello("c", 1, 5);
    EXPECT_TRUE(peer.reply().has_welcome());  // an acknowledgement would come first
  }
  stuck = false;
  const v1::IntakeReply reply = peer.reply();
  ASSERT_EQ(reply.ack().accepted_size(), 1);
  EXPECT_EQ(reply.ack().accepted(0).sequence(), 1U);
}

TEST_F(Numbered, ALedgerAheadOfTheLogIsBegunAnew) {
  daemon_.start();
  {
    RawPeer peer(daemon_.options.endpoint);
    peer.hello("c", 1);
    peer.welcome();
    for (uint64_t number = 1; number <= 10; ++number)
      peer.put(number, document_bytes("id" + std::to_string(number), "x"));
    EXPECT_EQ(peer.accepted_up_to(10).size(), 10U);
  }
  daemon_.stop();
  std::filesystem::remove_all(daemon_.log_options.directory);
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  EXPECT_EQ(peer.welcome().durable_up_to(), 0U);
  peer.put(1, document_bytes("id5", "x"));
  const auto accepted = peer.accepted_up_to(1);
  ASSERT_EQ(accepted.size(), 1U);
  EXPECT_FALSE(accepted[0].repeat());
  EXPECT_EQ(accepted[0].sequence(), 1U);
}

TEST_F(Numbered, IdsAreForgottenWhenThereAreTooMany) {
  daemon_.options.idempotency_documents_max = 1000;
  daemon_.start();
  RawPeer peer(daemon_.options.endpoint);
  peer.hello("c", 1);
  peer.welcome();
  for (uint64_t number = 1; number <= 3000; ++number)
    peer.put(number, document_bytes("id" + std::to_string(number), "x"));
  EXPECT_EQ(peer.accepted_up_to(3000).size(), 3000U);
  peer.put(3001, document_bytes("id1", "x"));
  peer.put(3002, document_bytes("id2900", "x"));
  const auto accepted = peer.accepted_up_to(3002);
  ASSERT_EQ(accepted.size(), 2U);
  EXPECT_FALSE(accepted[0].repeat());
  EXPECT_TRUE(accepted[1].repeat());
  EXPECT_EQ(accepted[1].sequence(), 2900U);
}

}  // namespace
}  // namespace wiremill
