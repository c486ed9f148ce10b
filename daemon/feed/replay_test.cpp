// Named cursors, filters and the bounds of a stream, through raw sockets and through the client.
#include <atomic>
#include <thread>

#include "daemon/feed/cursor_store.hpp"
#include "daemon/feed/feed_harness.hpp"

namespace wiremill {
namespace {

using Place = ReplayClient::Place;

class ReplayTest : public FeedTest {
 protected:
  ReplayClientOptions at_cursor(const std::string& name, bool follow = true) {
    ReplayClientOptions options;
    options.endpoint = options_.replay_endpoint;
    options.from = From::Cursor;
    options.cursor = name;
    options.follow = follow;
    return options;
  }
  // The next event of this kind; results and heads before it are passed over.
  static ReplayEvent next_of(ReplayClient& client, Kind kind) {
    for (;;) {
      ReplayEvent event = next(client);
      if (event.kind == kind || (event.kind != Kind::Result && event.kind != Kind::Head))
        return event;
    }
  }
  static void commit(ReplayClient& client, uint64_t sequence, uint64_t epoch = 1) {
    client.commit(epoch, sequence);
    for (;;) {
      const ReplayEvent event = next_of(client, Kind::Committed);
      ASSERT_EQ(event.kind, Kind::Committed) << event.code << event.message;
      if (event.sequence == sequence) return;
    }
  }
  // A log that lost what it had not synced since `sequence`: a copy of its folder as it stood then,
  // opened as after a crash without Durability::Always.
  void crash_back_to(uint64_t sequence, uint64_t written_up_to) {
    log_options_.durability = Durability::None;
    start();
    append(1, sequence);
    std::filesystem::copy(log_options_.directory, directory_ / "copy");
    append(sequence + 1, written_up_to);
  }
  void restart_from_copy() {
    stop();
    std::filesystem::remove_all(log_options_.directory);
    std::filesystem::rename(directory_ / "copy", log_options_.directory);
    start();
    ASSERT_EQ(log_->statistics().epoch, 2U);
  }
};

// What a peer gets for one COMMIT.
v1::ReplayReply commit_raw(RawSubscriber& peer, const std::string& name, uint64_t epoch,
                           uint64_t sequence) {
  v1::ReplayRequest request;
  request.mutable_commit()->set_cursor(name);
  request.mutable_commit()->set_epoch(epoch);
  request.mutable_commit()->set_sequence(sequence);
  peer.request(request);
  return peer.reply();
}

TEST_F(ReplayTest, ACursorGoesOnBehindWhatWasCommittedOverRestarts) {
  start();
  append(1, 500);
  {
    const auto first = connect(at_cursor("indexer"));
    expect_results(*first, 1, 300);
    EXPECT_EQ(first->position(), (Place{1, 300}));
    commit(*first, 200);
  }
  {
    const auto second = connect(at_cursor("indexer"));
    expect_results(*second, 201, 500);
    commit(*second, 500);
  }
  stop();
  start();
  append(501, 510);
  const auto third = connect(at_cursor("indexer", false));
  expect_results(*third, 501, 510);
  EXPECT_EQ(next(*third).kind, Kind::Head);
  commit(*third, 450);  // it may go back, and after the end of the stream
  EXPECT_TRUE(third->done());
  const auto fourth = connect(at_cursor("indexer"));
  expect_results(*fourth, 451, 510);
}

TEST_F(ReplayTest, ACommitThatABreakInterruptedIsSentAgain) {
  start();
  append(1, 100);
  const auto client = connect(at_cursor("indexer"));
  expect_results(*client, 1, 100);
  stop();
  ReplayEvent event;
  while (!client->disconnected_for()) client->poll(milliseconds(10), event);
  client->commit(1, 40);
  client->commit(1, 80);
  start();
  EXPECT_EQ(next_of(*client, Kind::Committed).sequence, 80U);
  ASSERT_EQ(feed_->cursors().size(), 1U);
  EXPECT_EQ(feed_->cursors()[0].name, "indexer");
  EXPECT_EQ(feed_->cursors()[0].sequence, 80U);
}

TEST_F(ReplayTest, ANewCursorBeginsWithTheOldestAndAnOldOneIsToldWhatItMissed) {
  start();
  append(1, 5000);
  ASSERT_TRUE(feed_->set_cursor("old", 100));
  ASSERT_TRUE(feed_->set_cursor("start", 0));
  ASSERT_TRUE(log_->remove_below(3000));
  const uint64_t first = log_->statistics().first;
  ASSERT_GT(first, 101U);
  expect_results(*connect(at_cursor("new")), first, 5000);
  for (const auto& [name, from] : {std::pair{"old", 101U}, std::pair{"start", 1U}}) {
    const auto lagging = connect(at_cursor(name));
    const ReplayEvent lagged = next(*lagging);
    EXPECT_EQ(lagged.kind, Kind::Lagged);
    EXPECT_EQ(lagged.lagged_from, from);
    EXPECT_EQ(lagged.lagged_to, first - 1);
    EXPECT_EQ(lagging->position(), (Place{1, first - 1}));
    expect_results(*lagging, first, 5000);
  }
}

TEST_F(ReplayTest, ACommitIsCheckedAndTheStreamGoesOn) {
  options_.cursors_max = 1;
  start();
  append(1, 100);
  RawSubscriber peer(options_.replay_endpoint, zmq::socket_type::dealer);
  for (const auto& [name, epoch, sequence, code] :
       {std::tuple{"a", 1, 101, "CURSOR_AHEAD"}, std::tuple{"a", 2, 1, "CURSOR_AHEAD"},
        std::tuple{"a b", 1, 1, "MALFORMED"}, std::tuple{"", 1, 1, "MALFORMED"},
        std::tuple{"a", 0, 1, "MALFORMED"}}) {
    const v1::ReplayReply reply = commit_raw(peer, name, epoch, sequence);
    EXPECT_EQ(reply.error().code(), code) << reply.error().message();
    EXPECT_TRUE(reply.error().commit());
  }
  EXPECT_EQ(commit_raw(peer, "a", 1, 100).committed().sequence(), 100U);
  EXPECT_EQ(commit_raw(peer, "a", 0, 0).committed().epoch(), 1U);
  EXPECT_EQ(commit_raw(peer, "b", 1, 1).error().code(), "TOO_MANY");
  const auto refused = connect(at_cursor("b"));
  EXPECT_EQ(next(*refused).code, "TOO_MANY");
  const auto client = connect(at_cursor("a"));
  client->commit(1, 5000);
  EXPECT_EQ(next_of(*client, Kind::CommitRefused).code, "CURSOR_AHEAD");
  expect_results(*client, client->position().sequence + 1, 100);
  const auto nameless = connect(at_cursor("no name"));
  EXPECT_EQ(next(*nameless).code, "MALFORMED");
}

TEST_F(ReplayTest, ACursorAheadOfTheLogIsRefusedAndSaysWhatToDo) {
  start();
  append(1, 100);
  ASSERT_TRUE(feed_->set_cursor("indexer", 90));
  stop();
  std::filesystem::remove_all(log_options_.directory);
  start();
  append(1, 50);
  const auto client = connect(at_cursor("indexer"));
  const ReplayEvent refused = next(*client);
  EXPECT_EQ(refused.kind, Kind::Error);
  EXPECT_EQ(refused.code, "CURSOR_AHEAD");
  EXPECT_NE(refused.message.find("stands at 90 of epoch 1, but the newest result is 50"),
            std::string::npos)
      << refused.message;
  EXPECT_NE(refused.message.find("wiremill cursor set indexer SEQUENCE"), std::string::npos);
  ASSERT_TRUE(feed_->set_cursor("indexer", 50));
  EXPECT_EQ(next(*connect(at_cursor("indexer"))).kind, Kind::Head);
}

TEST_F(ReplayTest, WhatALogLostIsRewoundForCursorsAndForClients) {
  crash_back_to(100, 120);
  const auto client = connect(at_cursor("indexer"));
  expect_results(*client, 1, 120);
  commit(*client, 120);
  ASSERT_TRUE(feed_->set_cursor("behind", 10));
  restart_from_copy();
  const uint64_t changed = log_->statistics().epoch_first;
  append(101, 105);
  const ReplayEvent seen = next_of(*client, Kind::Rewound);
  ASSERT_EQ(seen.kind, Kind::Rewound) << seen.code << seen.message;
  EXPECT_EQ(seen.sequence, changed);
  EXPECT_EQ(seen.epoch, 2U);
  expect_results(*client, changed, 105);
  EXPECT_EQ(client->position(), (Place{2, 105}));
  const auto again = connect(at_cursor("indexer"));
  EXPECT_EQ(next(*again).kind, Kind::Rewound);
  expect_results(*again, changed, 105);
  commit(*again, 105, 2);
  EXPECT_EQ(next(*connect(at_cursor("indexer"))).kind, Kind::Head);
  if (changed > 11) {
    expect_results(*connect(at_cursor("behind")), 11, 105);
  }
}

TEST_F(ReplayTest, OperatorsSeeAndMoveCursorsAndSubscribers) {
  start();
  append(1, 100);
  EXPECT_EQ(feed_->set_cursor("a", 101).error().code, ErrorCode::Malformed);
  EXPECT_EQ(feed_->set_cursor("a/b", 1).error().code, ErrorCode::Malformed);
  EXPECT_EQ(feed_->remove_cursor("a").error().code, ErrorCode::NotFound);
  ASSERT_TRUE(feed_->set_cursor("a", 60));
  ASSERT_EQ(feed_->cursors().size(), 1U);
  EXPECT_EQ(feed_->cursors()[0].sequence, 60U);
  EXPECT_EQ(feed_->cursors()[0].epoch, 1U);
  EXPECT_GT(feed_->cursors()[0].committed_at_us, 0);
  const auto client = connect(at_cursor("a"));
  expect_results(*client, 61, 100);
  std::vector<Feed::Subscriber> subscribers;
  while ((subscribers = feed_->subscribers()).empty() || subscribers[0].sent < 40)
    std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(subscribers[0].cursor, "a");
  EXPECT_EQ(subscribers[0].position, 101U);
  EXPECT_EQ(subscribers[0].credit, 960U);
  EXPECT_TRUE(subscribers[0].follow);
  ASSERT_TRUE(feed_->remove_cursor("a"));
  EXPECT_TRUE(feed_->cursors().empty());
}

TEST_F(ReplayTest, FiltersBySourceLanguageAndStatus) {
  start();
  append_one(1, "en/a/", v1::Result::PROCESSED);
  append_one(2, "en/two%2Fthree/", v1::Result::DROPPED);
  append_one(3, "de/a/", v1::Result::DEAD);
  append_one(4, "und//", v1::Result::PROCESSED);
  append_one(5, "en/a%20b/", v1::Result::PROCESSED);
  ASSERT_TRUE(log_->flush());
  using Status = ReplayEvent::Status;
  struct Case {
    std::vector<std::string> topics, sources, languages;
    std::vector<Status> statuses;
    std::vector<uint64_t> expected;
  };
  for (const Case& each :
       {Case{{}, {"a"}, {}, {}, {1, 3}}, Case{{}, {"two/three", "a b"}, {}, {}, {2, 5}},
        Case{{}, {""}, {}, {}, {4}}, Case{{}, {}, {"en"}, {}, {1, 2, 5}},
        Case{{}, {}, {"und", "de"}, {}, {3, 4}},
        Case{{}, {}, {}, {Status::Dropped, Status::Dead}, {2, 3}},
        Case{{}, {"a"}, {"en"}, {Status::Processed}, {1}}, Case{{"en/a"}, {}, {}, {}, {1, 5}},
        Case{{"en/a"}, {"a b"}, {}, {}, {5}}, Case{{}, {"a"}, {"fr"}, {}, {}}}) {
    ReplayClientOptions options = at_cursor("unused", false);
    options.topics = each.topics;
    options.sources = each.sources;
    options.languages = each.languages;
    options.statuses = each.statuses;
    const auto client = connect(options);
    std::vector<uint64_t> found;
    for (ReplayEvent event = next(*client); event.kind == Kind::Result; event = next(*client))
      found.push_back(event.sequence);
    EXPECT_EQ(found, each.expected);
    EXPECT_EQ(client->position(), (Place{1, 5}));
  }
}

TEST_F(ReplayTest, FiltersAreBounded) {
  start();
  RawSubscriber peer(options_.replay_endpoint, zmq::socket_type::dealer);
  const auto refused = [&](const std::function<void(v1::Fetch&)>& fill) {
    v1::ReplayRequest request;
    fill(*request.mutable_fetch());
    peer.request(request);
    return peer.reply().error().code();
  };
  for (const auto& fill : std::vector<std::function<void(v1::Fetch&)>>{
           [](v1::Fetch& fetch) {
             for (int i = 0; i < 65; ++i) fetch.add_sources("x");
           },
           [](v1::Fetch& fetch) {
             for (int i = 0; i < 65; ++i) fetch.add_languages("x");
           },
           [](v1::Fetch& fetch) {
             for (int i = 0; i < 65; ++i) fetch.add_statuses(v1::Result::DEAD);
           },
           [](v1::Fetch& fetch) { fetch.add_sources(std::string(257, 'x')); },
           [](v1::Fetch& fetch) { fetch.add_languages(std::string(65, 'x')); },
           [](v1::Fetch& fetch) { fetch.add_topic_prefixes(std::string(1025, 'x')); },
           [](v1::Fetch& fetch) { fetch.add_statuses(v1::Result::STATUS_UNSPECIFIED); },
           [](v1::Fetch& fetch) { fetch.add_statuses(static_cast<v1::Result::Status>(99)); }})
    EXPECT_EQ(refused(fill), "MALFORMED");
}

TEST_F(ReplayTest, AStreamWhoseFilterLetsNothingPassMovesItsCursorAndNeedsNoCredit) {
  start();
  append(1, 3000);
  ReplayClientOptions options = at_cursor("french");
  options.languages = {"fr"};
  options.credit = 1;
  const auto client = connect(options);
  EXPECT_EQ(next(*client).kind, Kind::Head);
  EXPECT_EQ(client->position(), (Place{1, 3000}));
  append(3001, 6000);
  ReplayEvent event;
  while (client->position().sequence < 6000) client->poll(milliseconds(10), event);
  commit(*client, 6000);
  EXPECT_EQ(next(*connect(at_cursor("french"))).kind, Kind::Head);
}

TEST_F(ReplayTest, AFutureSequenceIsWaitedForOverARestart) {
  start();
  append(1, 100);
  const auto future = client(From::Sequence, true, 150);
  EXPECT_EQ(next(*future).kind, Kind::Head);
  EXPECT_EQ(future->position(), (Place{1, 100}));
  stop();
  start();
  append(101, 160);
  expect_results(*future, 150, 160);
}

// Before its end, too: a stream that waits tells with each heartbeat how far it has come.
TEST_F(ReplayTest, AStreamOnItsWayTellsItsProgress) {
  start();
  append(1, 10);
  append_one(11, "fr/c/", v1::Result::PROCESSED);
  append(12, 100);
  RawSubscriber peer(options_.replay_endpoint, zmq::socket_type::dealer);
  v1::ReplayRequest request;
  request.mutable_fetch()->add_languages("fr");
  request.mutable_fetch()->set_follow(true);  // and no credit
  peer.request(request);
  v1::ReplayReply reply;
  do reply = peer.reply();
  while (!reply.has_progress());
  EXPECT_EQ(reply.progress().sequence(), 10U);
  EXPECT_EQ(reply.progress().epoch(), 1U);
}

// The credit of a stream is large and the subscriber reads nothing: what waits for it in the daemon
// is bounded in bytes, and nothing is lost to it.
TEST_F(ReplayTest, WhatWaitsForAStoppedSubscriberIsBoundedInBytes) {
  options_.replay_bytes_max = 1 << 20;
  log_options_.segment_bytes = 64 << 20;
  start();
  constexpr uint64_t kResults = 300;
  constexpr size_t kBytes = 256 << 10;  // 75 MiB: more than the kernel takes
  RawSubscriber slow(options_.replay_endpoint, zmq::socket_type::dealer);
  slow.socket().set(zmq::sockopt::rcvhwm, 1);
  slow.fetch(1, 1'000'000);
  append(1, kResults, kBytes);
  const auto quick = client(From::First);
  expect_results(*quick, 1, kResults);
  std::vector<Feed::Subscriber> streams;
  const auto sent_to_slow = [&] {
    uint64_t sent = kResults;
    for (const Feed::Subscriber& each : feed_->subscribers()) sent = std::min(sent, each.sent);
    return sent;
  };
  uint64_t before = 0;
  for (int same = 0; same < 4;) {  // heartbeats
    const uint64_t now = sent_to_slow();
    same = now == before ? same + 1 : 0;
    before = now;
    std::this_thread::sleep_for(milliseconds(options_.heartbeat_ms));
  }
  EXPECT_LT(before, kResults);
  for (uint64_t sequence = 1; sequence <= kResults;) {
    const v1::ReplayReply reply = slow.reply();
    if (!reply.has_item()) continue;
    ASSERT_EQ(reply.item().header().sequence(), sequence++);
  }
}

// Segments go while a stream stands in them: it is told, and goes on.
TEST_F(ReplayTest, RetentionUnderAReaderIsLaggedAndDisturbsNobody) {
  start();
  append(1, 9000, 1000);
  const auto slow = client(From::First, true, 1, {}, 2);
  const auto other = client(From::Sequence, true, 8500);
  expect_results(*slow, 1, 50);
  ASSERT_TRUE(log_->remove_below(8000));
  const uint64_t first = log_->statistics().first;
  ASSERT_GT(first, 1000U);
  uint64_t expected = 51;
  bool lagged = false;
  while (expected <= 9000) {
    const ReplayEvent event = next(*slow);
    if (event.kind == Kind::Lagged) {
      EXPECT_EQ(event.lagged_from, expected);
      EXPECT_EQ(event.lagged_to, first - 1);
      expected = first;
      lagged = true;
    } else if (event.kind == Kind::Result) {
      ASSERT_EQ(event.sequence, expected++);
    }
  }
  EXPECT_TRUE(lagged);
  expect_results(*other, 8500, 9000);
}

// A stream that reads the log may be ahead of what the feed has read of it.
TEST_F(ReplayTest, TheHeadIsNeverBehindWhatWasSent) {
  start();
  append(1, 50);
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (uint64_t sequence = 51; !is_over; ++sequence) append(sequence, sequence);
  });
  for (int round = 0; round < 100; ++round) {
    const auto reader = client(From::First, false);
    uint64_t last = 0;
    ReplayEvent event = next(*reader);
    for (; event.kind == Kind::Result; event = next(*reader)) last = event.sequence;
    EXPECT_EQ(event.kind, Kind::Head);
    EXPECT_EQ(event.sequence, last);
    EXPECT_EQ(reader->position(), (Place{1, last}));
  }
  is_over = true;
  writer.join();
}

}  // namespace
}  // namespace wiremill
