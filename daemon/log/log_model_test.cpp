// The log against a model of a few lines: random sequences of appends, flushes, reads by several
// readers, retention, cursors, clean ends, kills and power cuts, under every durability. The model
// knows which sequences were handed in, in which generation, up to where the log said "durable", and
// up to where that must survive a power cut.
//
// WIREMILL_MODEL_STEPS: how many steps, 20,000 by default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>

#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"

namespace wiremill {
namespace {

class Model : public testing::Test {
 protected:
  static constexpr uint64_t kKeptMax = 600;  // records; beyond it the oldest are removed

  void step() {
    const uint64_t choice = random_() % 1000;
    if (choice < 400) return append();
    if (choice < 550) return flush();
    if (choice < 850) return read();
    if (choice < 900) return place_reader();
    if (choice < 950) return remove(kept_from_ + random_() % 40);
    if (choice < 970) return commit_cursor();
    if (choice < 985) return end(End::Clean);
    if (choice < 993) return end(End::Kill);
    end(End::PowerCut);
  }

  void open() {
    durability_ = std::array{Durability::Always, Durability::Always, Durability::Interval,
                             Durability::None}[random_() % 4];
    auto opened = Log::open(log_options_on(*files_, durability_));
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }

  enum class End { Clean, Kill, PowerCut };

  void end(End how) {
    const LogStatistics before = log_->statistics();
    for (auto& reader : readers_) reader.reset();
    if (how == End::PowerCut) {
      shown_ = log_->durable();
      if (durability_ == Durability::Always) safe_ = shown_;
      auto image = files_->power_cut(files_->operations(), random_);
      log_.reset();  // of the machine that is gone
      files_ = std::move(image);
      ++power_cuts_;
    } else if (how == End::Kill) {
      files_->kill();
      shown_ = log_->durable();
      if (durability_ == Durability::Always) safe_ = shown_;
      log_.reset();
      files_->revive();
      ++kills_;
    } else {
      must(log_->flush());
      safe_ = shown_ = log_->durable();
      log_.reset();
    }
    open();
    if (HasFatalFailure()) return;
    const LogStatistics now = log_->statistics();
    const uint64_t least = how == End::PowerCut ? safe_ : shown_;
    ASSERT_GE(now.durable, least) << "lost";
    ASSERT_LE(now.durable, handed_in()) << "invented";
    ASSERT_LE(now.first, kept_from_);
    ASSERT_EQ(now.damaged_records, 0U);
    ASSERT_GE(now.epoch, before.epoch);
    if (now.durable < shown_) {
      ASSERT_GT(now.epoch, before.epoch) << "shown, gone, and nothing says so";
    }
    if (now.epoch > before.epoch) {
      ASSERT_EQ(now.epoch_first, now.durable + 1);
    }
    // All that it shows now was synced when it was opened.
    safe_ = now.durable;
    generations_.resize(now.durable + 1);
    ++generation_;
    check_all();
    follow_cursor(now);
  }

  uint64_t handed_in() const { return generations_.size() - 1; }

  void check(const LogRecord& record, uint64_t expected) {
    ASSERT_EQ(record.sequence, expected);
    ASSERT_FALSE(record.damaged) << expected;
    ASSERT_TRUE(record.payload == log_payload(expected, generations_.at(expected))) << expected;
    ++read_;
  }

  void check_all() {
    std::vector<LogRecord> records;
    must(log_->reader(1)->read(1 << 20, 1 << 30, records));
    uint64_t next = log_->statistics().first;
    ASSERT_LE(next, kept_from_);
    for (const LogRecord& record : records) {
      check(record, next++);
      if (HasFatalFailure()) return;
    }
    ASSERT_EQ(next, log_->durable() + 1);
  }

  void append() {
    for (uint64_t i = 1 + random_() % 5; i > 0; --i) {
      const uint64_t next = log_->next();
      ASSERT_EQ(next, handed_in() + 1);
      generations_.push_back(generation_);
      ASSERT_EQ(log_->append(log_payload(next, generation_)).value(), next);
    }
    if (handed_in() > kept_from_ + kKeptMax) remove(handed_in() - kKeptMax / 2);
  }

  void flush() {
    must(log_->flush());
    ASSERT_EQ(log_->durable(), handed_in());
    if (durability_ == Durability::Always) safe_ = handed_in();
  }

  void place_reader() {
    auto& reader = readers_[random_() % readers_.size()];
    reader = log_->reader(1 + random_() % (handed_in() + 10));
  }

  void read() {
    auto& reader = readers_[random_() % readers_.size()];
    if (!reader) reader = log_->reader(1);
    const uint64_t position = reader->position();
    const uint64_t durable = log_->durable();
    std::vector<LogRecord> records;
    const size_t wanted = 1 + random_() % 30;
    must(reader->read(wanted, 1 << 30, records));
    // Only retention lets a reader leave anything out.
    uint64_t next = std::max(position, log_->statistics().first);
    if (position <= durable && next <= durable) {
      ASSERT_FALSE(records.empty());
    }
    for (const LogRecord& record : records) {
      check(record, next++);
      if (HasFatalFailure()) return;
    }
    ASSERT_LE(records.size(), wanted);
  }

  void remove(uint64_t below) {
    below = std::min(below, log_->durable() + 1);
    must(log_->remove_below(below));
    kept_from_ = std::max(kept_from_, below);
    ASSERT_LE(log_->statistics().first, kept_from_);
  }

  // What a subscriber keeps: it has dealt with everything up to here.
  void commit_cursor() {
    const LogStatistics now = log_->statistics();
    if (now.durable < now.first) return;
    cursor_ = now.first + random_() % (now.durable - now.first + 1);
    cursor_epoch_ = now.epoch;
    cursor_generation_ = generations_.at(cursor_);
  }

  // A cursor of the present epoch, or of before its first sequence, still means the same record.
  void follow_cursor(const LogStatistics& now) {
    if (cursor_ == 0) return;
    if (cursor_epoch_ != now.epoch && cursor_ >= now.epoch_first) {
      cursor_ = 0;  // rewound
      return;
    }
    ASSERT_LE(cursor_, now.durable);
    ASSERT_EQ(generations_.at(cursor_), cursor_generation_) << "another record under a cursor";
    if (cursor_epoch_ + 1 < now.epoch)
      cursor_ = 0;  // the log tells where its last epoch began only
  }

  std::mt19937_64 random_{20260731};
  std::unique_ptr<MemoryFileSystem> files_ = std::make_unique<MemoryFileSystem>();
  std::unique_ptr<Log> log_;
  Durability durability_ = Durability::Always;
  std::array<std::unique_ptr<LogReader>, 4> readers_;

  std::vector<uint64_t> generations_ = {0};  // of each sequence handed in; sequence 0 is none
  uint64_t generation_ = 0;
  uint64_t shown_ = 0;      // durable when the log ended
  uint64_t safe_ = 0;       // survives a power cut
  uint64_t kept_from_ = 1;  // everything from here on is kept
  uint64_t cursor_ = 0, cursor_epoch_ = 0, cursor_generation_ = 0;
  uint64_t kills_ = 0, power_cuts_ = 0, read_ = 0;
};

TEST_F(Model, TheLogDoesWhatTheModelSays) {
  const uint64_t wanted = test_length("WIREMILL_MODEL_STEPS", 20'000);
  uint64_t steps = 0;
  open();
  for (; steps < wanted && !HasFatalFailure(); ++steps) step();
  fmt::print("model: {} steps, {} appended, {} read, {} kills, {} power cuts, {} mismatches\n",
             steps, handed_in(), read_, kills_, power_cuts_, HasFailure() ? 1 : 0);
  for (auto& reader : readers_) reader.reset();
}

}  // namespace
}  // namespace wiremill
