// Which session is forgotten, and what one knows of its numbers.
#include "daemon/intake/sessions.hpp"

#include <gtest/gtest.h>

namespace wiremill {
namespace {

TEST(Sessions, TheOneUsedLongestAgoIsForgottenButNoneThatAwaitsAnAnswer) {
  Sessions sessions(3, 10);
  std::vector<Session> forgotten;
  sessions.session("waits", 1, forgotten).waiting = 1;
  sessions.session("due", 1, forgotten).ack_due = true;
  sessions.session("idle", 1, forgotten).recorded = 7;
  sessions.session("new", 1, forgotten);
  ASSERT_EQ(forgotten.size(), 1U);
  EXPECT_EQ(forgotten[0].client, "idle");
  EXPECT_EQ(forgotten[0].recorded, 7U);
  EXPECT_EQ(sessions.sessions(), 3U);
  sessions.session("newer", 1, forgotten);
  EXPECT_EQ(forgotten.size(), 1U) << "the ledger does not know \"new\"";
  EXPECT_EQ(sessions.session("waits", 1, forgotten).waiting, 1U);
  EXPECT_TRUE(sessions.session("due", 1, forgotten).ack_due);
  EXPECT_EQ(sessions.sessions(), 3U);
}

TEST(Sessions, ASessionAnswersToItsNewestConnection) {
  Sessions sessions(10, 10);
  std::vector<Session> forgotten;
  Session& session = sessions.session("client", 1, forgotten);
  sessions.attach(session, "first");
  sessions.attach(session, "second");
  EXPECT_EQ(sessions.peer("first").session, nullptr);
  EXPECT_EQ(sessions.peer("second").session, &session);
  Session& other = sessions.session("client", 2, forgotten);
  sessions.attach(other, "second");
  EXPECT_EQ(session.peer, "");
  sessions.forget_peer("second");
  EXPECT_EQ(other.peer, "");
}

TEST(Sessions, WhatTheLogLostIsExpectedAgain) {
  Sessions sessions(10, 10);
  std::vector<Session> forgotten;
  Session& session = sessions.session("client", 1, forgotten);
  for (uint64_t number = 1; number <= 5; ++number)
    sessions.add_settlement(session, {.number = number, .sequence = 10 + number});
  session.settled = 3;
  session.expected = 6;
  session.waiting = 2;
  sessions.drop_unsettled(session);
  EXPECT_EQ(session.expected, 4U);
  EXPECT_EQ(session.waiting, 0U);
  ASSERT_NE(Sessions::find_settlement(session, 3), nullptr);
  EXPECT_EQ(Sessions::find_settlement(session, 3)->sequence, 13U);
  EXPECT_EQ(Sessions::find_settlement(session, 4), nullptr);
}

TEST(Sessions, SettlementsAreFoundBeyondGapsUpToTheirBound) {
  Sessions sessions(10, 3);
  std::vector<Session> forgotten;
  Session& session = sessions.session("client", 1, forgotten);
  for (const uint64_t number : {1, 2, 7, 8}) sessions.add_settlement(session, {.number = number});
  EXPECT_EQ(Sessions::find_settlement(session, 1), nullptr) << "three are kept";
  for (const uint64_t number : {2, 7, 8})
    EXPECT_NE(Sessions::find_settlement(session, number), nullptr) << number;
  for (const uint64_t number : {3, 6, 9})
    EXPECT_EQ(Sessions::find_settlement(session, number), nullptr) << number;
}

}  // namespace
}  // namespace wiremill
