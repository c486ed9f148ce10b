// Results out, through raw sockets and through the client.
#include "daemon/feed/feed_harness.hpp"

namespace wiremill {
namespace {

TEST_F(FeedTest, ReplaysFromTheFirstAndEndsAtTheHead) {
  start();
  append(1, 3000);
  const auto subscriber = client(From::First, false);
  expect_results(*subscriber, 1, 3000);
  const ReplayEvent head = next(*subscriber);
  EXPECT_EQ(head.kind, Kind::Head);
  EXPECT_EQ(head.sequence, 3000U);
  EXPECT_TRUE(subscriber->done());
  ReplayEvent event;
  EXPECT_FALSE(subscriber->poll(milliseconds(1000), event));
  while (feed_->counters().subscribers > 0) std::this_thread::yield();
}

TEST_F(FeedTest, FollowsFromTheMiddleAndFromNow) {
  start();
  append(1, 1000);
  const auto middle = client(From::Sequence, true, 501);
  const auto live = client(From::Live);
  const ReplayEvent head = next(*live);
  EXPECT_EQ(head.kind, Kind::Head);
  EXPECT_EQ(head.sequence, 1000U);
  std::thread writer([&] { append(1001, 5000); });
  expect_results(*middle, 501, 5000);
  expect_results(*live, 1001, 5000);
  writer.join();
}

TEST_F(FeedTest, FetchesByTime) {
  start();
  append(1, 2000);
  for (const uint64_t ms : {0, 1, 777, 1999, 2000}) {
    const auto subscriber = client(From::Time, false, ms * 1000);
    EXPECT_EQ(next(*subscriber).sequence, std::max<uint64_t>(1, ms));
  }
  const auto between = client(From::Time, false, 777'001);
  EXPECT_EQ(next(*between).sequence, 778U);
  const auto future = client(From::Time, true, 9'000'000);
  EXPECT_EQ(next(*future).kind, Kind::Head);
  append(2001, 2001);
  EXPECT_EQ(next(*future).sequence, 2001U);
}

TEST_F(FeedTest, FiltersByTopic) {
  start();
  append(1, 900);
  const auto german = client(From::First, false, 1, {"de/", "fr/"});
  for (uint64_t sequence = 3; sequence <= 900; sequence += 3) {
    const ReplayEvent event = next(*german);
    ASSERT_EQ(event.sequence, sequence);
    EXPECT_EQ(event.topic, "de/b/");
  }
  EXPECT_EQ(next(*german).kind, Kind::Head);
  const auto none = client(From::First, false, 1, {"xx/"});
  EXPECT_EQ(next(*none).kind, Kind::Head);
}

TEST_F(FeedTest, SendsNoMoreThanTheCredit) {
  start();
  append(1, 100);
  RawSubscriber subscriber(options_.replay_endpoint, zmq::socket_type::dealer);
  subscriber.fetch(1, 10, 42);
  const auto items_until_alive = [&] {  // a heartbeat comes behind what was sent
    std::vector<uint64_t> items;
    for (;;) {
      const v1::ReplayReply reply = subscriber.reply();
      EXPECT_EQ(reply.stream(), 42U);
      if (!reply.has_item()) return items;
      items.push_back(reply.item().header().sequence());
    }
  };
  const auto some_items = [&] {  // a heartbeat may come before, too
    for (;;)
      if (std::vector<uint64_t> items = items_until_alive(); !items.empty()) return items;
  };
  EXPECT_EQ(some_items().size(), 10U);
  EXPECT_TRUE(items_until_alive().empty());
  v1::ReplayRequest more;
  more.mutable_credit()->set_more(5);
  subscriber.request(more);
  EXPECT_EQ(some_items(), (std::vector<uint64_t>{11, 12, 13, 14, 15}));
  // A new FETCH replaces the stream and its credit.
  subscriber.fetch(50, 1, 43);
  v1::ReplayReply reply;
  do {
    reply = subscriber.reply();
  } while (reply.stream() != 43 || !reply.has_item());
  EXPECT_EQ(reply.item().header().sequence(), 50U);
  EXPECT_EQ(feed_->counters().subscribers, 1U);
}

TEST_F(FeedTest, ASlowSubscriberStallsNobody) {
  options_.replay_messages_max = 10;
  start();
  RawSubscriber slow(options_.replay_endpoint, zmq::socket_type::dealer);
  slow.fetch(1, 1'000'000);  // and then reads nothing
  const auto quick = client(From::First);
  constexpr uint64_t kResults = 2000;  // 40 MB: more than the slow one's buffers take
  std::thread writer([&] { append(1, kResults, 20'000); });
  expect_results(*quick, 1, kResults);
  writer.join();
  // It has lost nothing by that.
  for (uint64_t sequence = 1; sequence <= kResults;) {
    const v1::ReplayReply reply = slow.reply();
    if (!reply.has_item()) continue;
    ASSERT_EQ(reply.item().header().sequence(), sequence++);
  }
}

TEST_F(FeedTest, TheClientGoesOnThroughARestartWithoutGapOrRepeat) {
  start();
  append(1, 500);
  const auto all = client(From::First);
  const auto live = client(From::Live);
  EXPECT_EQ(next(*live).kind, Kind::Head);
  expect_results(*all, 1, 300);
  stop();
  ReplayEvent event;
  uint64_t seen = 300;  // and what was under way
  for (bool more = true; more || !all->disconnected_for();) {
    more = all->poll(milliseconds(10), event);
    if (more && event.kind == Kind::Result) seen = event.sequence;
  }
  start();
  append(501, 800);
  expect_results(*all, seen + 1, 800);
  expect_results(*live, 501, 800);
}

TEST_F(FeedTest, WhatIsNoLongerKeptIsLagged) {
  start();
  append(1, 5000);
  ASSERT_TRUE(log_->remove_below(3000));
  const uint64_t first = log_->statistics().first;
  ASSERT_GT(first, 1U);
  const auto subscriber = client(From::Sequence, true, 10);
  const ReplayEvent lagged = next(*subscriber);
  EXPECT_EQ(lagged.kind, Kind::Lagged);
  EXPECT_EQ(lagged.lagged_from, 10U);
  EXPECT_EQ(lagged.lagged_to, first - 1);
  expect_results(*subscriber, first, 5000);
  const auto by_time = client(From::Time, true, 0);
  EXPECT_EQ(next(*by_time).sequence, first);
}

TEST_F(FeedTest, ADamagedRecordComesAsDeadToEverybody) {
  start();
  append(1, 1);
  ASSERT_TRUE(log_->append("\xff\xff no record"));
  append(3, 4);
  const auto subscriber = client(From::First, false, 1, {"xx/"});
  const ReplayEvent event = next(*subscriber);
  EXPECT_EQ(event.sequence, 2U);
  EXPECT_EQ(event.status, ReplayEvent::Status::Dead);
  v1::Result result;
  ASSERT_TRUE(result.ParseFromString(event.result));
  EXPECT_EQ(result.sequence(), 2U);
  EXPECT_EQ(result.status(), v1::Result::DEAD);
  EXPECT_EQ(result.failure().stage(), "log");
  EXPECT_EQ(result.failure().code(), "LOG_DAMAGED");
  EXPECT_EQ(next(*subscriber).kind, Kind::Head);
}

TEST_F(FeedTest, RefusesJunkAndTooManySubscribers) {
  options_.subscribers_max = 2;
  start();
  const auto one = client(From::Live);
  const auto two = client(From::Live);
  EXPECT_EQ(next(*one).kind, Kind::Head);
  EXPECT_EQ(next(*two).kind, Kind::Head);
  const auto three = client(From::Live);
  const ReplayEvent refused = next(*three);
  EXPECT_EQ(refused.kind, Kind::Error);
  EXPECT_EQ(refused.code, "TOO_MANY");
  EXPECT_TRUE(three->done());
  RawSubscriber raw(options_.replay_endpoint, zmq::socket_type::dealer);
  raw.socket().send(zmq::str_buffer("junk"), zmq::send_flags::none);
  EXPECT_EQ(raw.reply().error().code(), "MALFORMED");
  v1::ReplayRequest many;
  for (int i = 0; i < 1000; ++i) many.mutable_fetch()->add_topic_prefixes("x");
  raw.request(many);
  EXPECT_TRUE(raw.reply().has_error());
  raw.request(v1::ReplayRequest());
  EXPECT_EQ(raw.reply().error().code(), "MALFORMED");
}

TEST_F(FeedTest, VanishedSubscribersAreForgotten) {
  start();
  append(1, 100);
  for (int i = 0; i < 200; ++i) {
    RawSubscriber subscriber(options_.replay_endpoint, zmq::socket_type::dealer);
    subscriber.fetch(1, i % 2 == 0 ? 1000 : 1);
    while (!subscriber.reply().has_item()) {  // a heartbeat may come first
    }
  }
  while (feed_->counters().subscribers > 0) std::this_thread::sleep_for(milliseconds(1));
  const auto alive = client(From::First);
  expect_results(*alive, 1, 100);
}

TEST_F(FeedTest, PublishesToSubscribersOfTopics) {
  start();
  RawSubscriber subscriber(options_.endpoint, zmq::socket_type::sub);
  std::vector<std::string> frames = subscriber.receive();
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0], "!heartbeat");
  append(1, 300);
  for (uint64_t sequence = 1; sequence <= 300;) {
    frames = subscriber.receive();
    if (frames.at(0) == "!heartbeat") continue;
    ASSERT_EQ(frames.size(), 3U);
    EXPECT_EQ(frames[0], sequence % 3 == 0 ? "de/b/" : "en/a/");
    v1::FeedHeader header;
    ASSERT_TRUE(header.ParseFromString(frames[1]));
    ASSERT_EQ(header.sequence(), sequence);
    EXPECT_EQ(header.previous(), sequence - 1);
    EXPECT_EQ(header.status(), v1::Result::PROCESSED);
    v1::Result result;
    ASSERT_TRUE(result.ParseFromString(frames[2]));
    EXPECT_EQ(result.sequence(), sequence++);
  }
  v1::Head head;
  do {
    frames = subscriber.receive();
    ASSERT_EQ(frames.at(0), "!heartbeat");
    ASSERT_TRUE(head.ParseFromString(frames.at(1)));
  } while (head.sequence() < 300);
}

TEST_F(FeedTest, ALiveSubscriberGetsNothingFromBefore) {
  start();
  append(1, 10);
  // The feed reads what is new when it is woken: that it has, the head of a replay says.
  const ReplayEvent passed = next(*client(From::Live));
  ASSERT_EQ(passed.kind, Kind::Head);
  ASSERT_EQ(passed.sequence, 10U);
  RawSubscriber subscriber(options_.endpoint, zmq::socket_type::sub);
  ASSERT_EQ(subscriber.receive().at(0), "!heartbeat");
  append(11, 11);
  std::vector<std::string> frames;
  do frames = subscriber.receive();
  while (frames.at(0) == "!heartbeat");
  v1::FeedHeader header;
  ASSERT_TRUE(header.ParseFromString(frames.at(1)));
  EXPECT_EQ(header.sequence(), 11U);
}

TEST_F(FeedTest, WhatWaitsForALiveSubscriberIsBoundedInBytes) {
  options_.feed_bytes_max = 256 << 10;
  log_options_.segment_bytes = 4 << 20;
  start();
  RawSubscriber subscriber(options_.endpoint, zmq::socket_type::sub);
  ASSERT_EQ(subscriber.receive().at(0), "!heartbeat");
  uint64_t newest = 0;
  for (; newest < 8000 && feed_->counters().unpublished == 0; newest += 100)
    append(newest + 1, newest + 100, 10'000);
  EXPECT_GT(feed_->counters().unpublished, 0U) << newest;
  // It reads on, and hears of what comes then.
  v1::Head head;
  for (std::vector<std::string> frames; head.sequence() < newest;) {
    frames = subscriber.receive();
    ASSERT_FALSE(frames.empty());
    if (frames[0] == "!heartbeat") {
      ASSERT_TRUE(head.ParseFromString(frames.at(1)));
    }
  }
  append(newest + 1, newest + 1);
  v1::FeedHeader header;
  for (std::vector<std::string> frames; header.sequence() <= newest;) {
    frames = subscriber.receive();
    ASSERT_FALSE(frames.empty());
    if (frames[0] != "!heartbeat") {
      ASSERT_TRUE(header.ParseFromString(frames.at(1)));
    }
  }
}

}  // namespace
}  // namespace wiremill
