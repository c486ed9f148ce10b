#include "daemon/pipeline/dead_letters.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "wiremill/v1/record.pb.h"

// Debian's librocksdb and liblz4 are not built with ThreadSanitizer, which therefore does not see
// their atomics.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\ncalled_from_lib:liblz4.so\n";
}

namespace wiremill {
namespace {

const std::vector<std::string> kSpaces = {DeadLetters::kSpace, DeadLetters::kRecordsSpace};

struct Office {
  std::unique_ptr<StateStore> state;
  std::unique_ptr<DeadLetters> letters;
};

Office open_office(const std::string& directory, DeadLetterLimits limits = {}) {
  Office office;
  office.state = std::move(StateStore::open(directory, kSpaces).value());
  office.letters = std::move(DeadLetters::load(*office.state, limits).value());
  return office;
}

std::string record_of(uint64_t sequence, uint64_t retries) {
  v1::Document document;
  document.set_source("s" + std::to_string(sequence % 2));
  document.set_body("body " + std::to_string(sequence));
  v1::IntakeRecord record;
  record.set_id("id-" + std::to_string(sequence));
  record.set_accepted_at_us(static_cast<int64_t>(sequence) * 1'000'000);
  record.set_retries(retries);
  record.set_document(document.SerializeAsString());
  return record.SerializeAsString();
}

// Notes one document's outcome and answers its changes.
std::vector<FlightChange> note(DeadLetters& letters, uint64_t sequence, v1::Result::Status status,
                               uint64_t retries = 0, bool damaged = false) {
  Flight flight = flight_from_record(sequence, damaged, record_of(sequence, retries));
  if (!damaged) flight.leave(status, sequence % 3 == 0 ? "three" : "probe", "BAD", "because", 2);
  letters.note(flight);
  return flight.changes;
}

std::vector<uint64_t> sequences(const DeadLetters& letters, const DeadLetters::Filter& filter = {},
                                uint64_t from = 0, size_t letters_max = 1000) {
  std::vector<uint64_t> list;
  for (const auto& letter : letters.list(filter, from, letters_max))
    list.push_back(letter.sequence);
  return list;
}

using List = std::vector<uint64_t>;

TEST(DeadLetters, KeepWhatHappenedAndWhatWasSubmitted) {
  const Office office = open_office("");
  EXPECT_TRUE(note(*office.letters, 1, v1::Result::PROCESSED).empty());
  EXPECT_TRUE(note(*office.letters, 2, v1::Result::DROPPED).empty());
  EXPECT_EQ(note(*office.letters, 3, v1::Result::DEAD).size(), 2U);
  note(*office.letters, 5, v1::Result::DEAD);
  EXPECT_EQ(sequences(*office.letters), (List{3, 5}));
  const auto letter = office.letters->find(3);
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->id, "id-3");
  EXPECT_EQ(letter->source, "s1");
  EXPECT_EQ(letter->stage, "three");
  EXPECT_EQ(letter->code, "BAD");
  EXPECT_EQ(letter->message, "because");
  EXPECT_EQ(letter->attempts, 2U);
  EXPECT_EQ(letter->accepted_at_us, 3'000'000);
  EXPECT_EQ(letter->bytes, record_of(3, 0).size());
  EXPECT_EQ(office.letters->intake_record(3).error().code, ErrorCode::Busy);
  ASSERT_TRUE(office.state->commit(5));
  EXPECT_EQ(office.letters->intake_record(3).value(), record_of(3, 0));
  EXPECT_EQ(office.letters->intake_record(4).error().code, ErrorCode::NotFound);
  EXPECT_FALSE(office.letters->find(4).has_value());
  EXPECT_EQ(office.letters->totals().documents, 2U);
  EXPECT_EQ(office.letters->totals().bytes, record_of(3, 0).size() + record_of(5, 0).size());
}

TEST(DeadLetters, AreListedByStageCodeAndTime) {
  const Office office = open_office("");
  for (uint64_t sequence = 1; sequence <= 9; ++sequence)
    note(*office.letters, sequence, v1::Result::DEAD);
  note(*office.letters, 10, v1::Result::DEAD, 0, true);
  EXPECT_EQ(sequences(*office.letters, {.stage = "three"}), (List{3, 6, 9}));
  EXPECT_EQ(sequences(*office.letters, {.code = "LOG_DAMAGED"}), (List{10}));
  EXPECT_EQ(sequences(*office.letters, {.from_us = 4'000'000, .until_us = 6'000'000}),
            (List{4, 5}));
  EXPECT_EQ(sequences(*office.letters, {}, 4, 3), (List{4, 5, 6}));
  EXPECT_EQ(sequences(*office.letters, {}, 4, 0), List{});
}

TEST(DeadLetters, ADamagedDocumentHasALetterButNoRecord) {
  const Office office = open_office("");
  note(*office.letters, 7, v1::Result::DEAD, 0, true);
  EXPECT_EQ(office.letters->find(7)->bytes, 0U);
  EXPECT_EQ(office.letters->find(7)->stage, "log");
  ASSERT_TRUE(office.state->commit(7));
  const auto record = office.letters->intake_record(7);
  ASSERT_FALSE(record.has_value());
  EXPECT_NE(record.error().message.find("cannot be tried again"), std::string::npos);
}

TEST(DeadLetters, ARetrysResultRemovesTheLetterThatItTries) {
  const Office office = open_office("");
  for (uint64_t sequence = 1; sequence <= 3; ++sequence)
    note(*office.letters, sequence, v1::Result::DEAD);
  note(*office.letters, 4, v1::Result::PROCESSED, 1);
  note(*office.letters, 5, v1::Result::DROPPED, 2);
  EXPECT_EQ(sequences(*office.letters), (List{3}));
  note(*office.letters, 6, v1::Result::DEAD, 3);
  EXPECT_EQ(sequences(*office.letters), (List{6}));
  note(*office.letters, 7, v1::Result::PROCESSED, 3);  // it is gone already
  EXPECT_EQ(sequences(*office.letters), (List{6}));
  EXPECT_EQ(office.letters->totals().documents, 1U);
}

TEST(DeadLetters, TheOldestLeaveBeyondTheLimits) {
  const Office few = open_office("", {.documents_max = 3});
  for (uint64_t sequence = 1; sequence <= 5; ++sequence)
    note(*few.letters, sequence, v1::Result::DEAD);
  EXPECT_EQ(sequences(*few.letters), (List{3, 4, 5}));

  const Office small = open_office("", {.bytes_max = 2 * record_of(5, 0).size()});
  for (uint64_t sequence = 1; sequence <= 5; ++sequence)
    note(*small.letters, sequence, v1::Result::DEAD);
  EXPECT_EQ(sequences(*small.letters), (List{4, 5}));

  const Office brief = open_office("", {.age_max_ms = 10'000});
  note(*brief.letters, 1, v1::Result::DEAD);
  note(*brief.letters, 2, v1::Result::DEAD);
  note(*brief.letters, 11, v1::Result::PROCESSED);
  EXPECT_EQ(sequences(*brief.letters), (List{1, 2}));
  note(*brief.letters, 12, v1::Result::PROCESSED);
  EXPECT_EQ(sequences(*brief.letters), (List{2}));
  EXPECT_EQ(brief.letters->totals().documents, 1U);

  // When it was accepted is not known.
  const Office damaged = open_office("", {.age_max_ms = 10'000});
  note(*damaged.letters, 100, v1::Result::DEAD, 0, true);
  note(*damaged.letters, 105, v1::Result::PROCESSED);
  note(*damaged.letters, 115, v1::Result::PROCESSED);
  EXPECT_EQ(sequences(*damaged.letters), (List{100}));
  note(*damaged.letters, 116, v1::Result::PROCESSED);
  EXPECT_EQ(sequences(*damaged.letters), List{});
}

TEST(DeadLetters, LoweredLimitsAreReachedStepByStep) {
  auto state = std::move(StateStore::open("", kSpaces).value());
  {
    const auto letters = std::move(DeadLetters::load(*state, {}).value());
    for (uint64_t sequence = 1; sequence <= 200; ++sequence)
      note(*letters, sequence, v1::Result::DEAD);
  }
  const auto letters = std::move(DeadLetters::load(*state, {.documents_max = 10}).value());
  EXPECT_EQ(letters->totals().documents, 200U);
  size_t changes_max = 0;
  for (uint64_t sequence = 201; sequence <= 210; ++sequence)
    changes_max = std::max(changes_max, note(*letters, sequence, v1::Result::PROCESSED).size());
  EXPECT_EQ(letters->totals().documents, 10U);
  EXPECT_LE(changes_max, 128U);
  EXPECT_EQ(sequences(*letters).front(), 191U);
}

class DeadLettersOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = testing::TempDir() + "dead_letters_" + test->name();
    std::filesystem::remove_all(directory_);
  }
  std::string directory_;
};

TEST_F(DeadLettersOnDisk, AreAsOldAsTheResults) {
  Office office = open_office(directory_);
  note(*office.letters, 1, v1::Result::DEAD);
  ASSERT_TRUE(office.state->commit(1));
  note(*office.letters, 2, v1::Result::DEAD);  // its result is not durable when the daemon dies
  ASSERT_TRUE(office.state->checkpoint());
  office = {};
  office = open_office(directory_);
  EXPECT_EQ(sequences(*office.letters), (List{1}));
  EXPECT_EQ(office.letters->totals().documents, 1U);
  EXPECT_EQ(office.letters->intake_record(1).value(), record_of(1, 0));
}

TEST_F(DeadLettersOnDisk, WhatIsDiscardedStaysAway) {
  Office office = open_office(directory_);
  for (uint64_t sequence = 1; sequence <= 4; ++sequence)
    note(*office.letters, sequence, v1::Result::DEAD);
  ASSERT_TRUE(office.state->commit(3));
  EXPECT_EQ(office.letters->discard({1, 3, 4, 9}).value(), 2U) << "4 has no durable result yet";
  EXPECT_EQ(sequences(*office.letters), (List{2, 4}));
  EXPECT_EQ(office.letters->discard({1, 3}).value(), 0U);
  ASSERT_TRUE(office.state->checkpoint());
  office = {};
  office = open_office(directory_);
  EXPECT_EQ(sequences(*office.letters), (List{2}));
  EXPECT_EQ(office.letters->intake_record(1).error().code, ErrorCode::NotFound);
  EXPECT_EQ(office.letters->totals().bytes, record_of(2, 0).size());
}

}  // namespace
}  // namespace wiremill
