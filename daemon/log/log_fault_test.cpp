// Every single operation on a file fails: a small scenario (open, append, roll, retain, close, open
// again, append) is run once for each operation and each way to fail. Nothing acknowledged may be
// lost; the log goes on, or is read-only and says so, or does not open and says why; it never hangs.
// Afterwards it opens again on what the page cache shows, and on what a power cut leaves of it.
//
// A failed sync drops what it was to write, and the page cache shows it as if nothing were wrong
// (daemon/log/memory_file_system.hpp): whoever believes the next sync loses here.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/retention.hpp"

namespace wiremill {
namespace {

using Kind = MemoryFileSystem::Kind;

struct Fault {
  const char* name;
  ErrorCode code;
  int times;  // how many operations from the n-th on fail; 0: all
};
constexpr std::array kFaults = {
    Fault{"one error", ErrorCode::Io, 1}, Fault{"two errors", ErrorCode::Io, 2},
    Fault{"errors from then on", ErrorCode::Io, 0}, Fault{"no space, once", ErrorCode::NoSpace, 1},
    Fault{"no space from then on", ErrorCode::NoSpace, 0}};

struct Outcome {
  bool reached = false;  // there was an n-th operation
  uint64_t acknowledged = 0;
  bool went_on = false, read_only = false, refused = false;
};

class Scenario {
 public:
  Scenario(const Fault& fault, size_t at) : fault_(fault), at_(at) {
    files_.set_gate([this](Kind, const std::string& path) -> Status {
      const size_t now = passed_++;
      if (now < at_ || (fault_.times > 0 && now >= at_ + static_cast<size_t>(fault_.times)))
        return {};
      reached_ = true;
      return fail(fault_.code, "cannot use {}: a fault", path);
    });
  }

  Outcome run() {
    Outcome outcome;
    for (int start = 0; start < 2; ++start) work(outcome);
    files_.set_gate({});
    outcome.reached = reached_;
    outcome.acknowledged = acknowledged_;
    std::mt19937_64 random(at_);
    check(files_);
    for (int i = 0; i < 3; ++i) check(*files_.power_cut(files_.operations(), random));
    return outcome;
  }

 private:
  void work(Outcome& outcome) {
    auto opened = Log::open(log_options_on(files_));
    if (!opened) {
      EXPECT_EQ(opened.error().code, fault_.code) << opened.error().message;
      EXPECT_NE(opened.error().message.find("a fault"), std::string::npos);
      outcome.refused = true;
      return;
    }
    auto log = std::move(*opened);
    EXPECT_GE(log->durable(), acknowledged_);
    log->on_durable(
        [&](uint64_t durable) { acknowledged_ = std::max<uint64_t>(acknowledged_, durable); });
    const auto retention = Retention::open(
        {.age_max_ms = 0, .bytes_max = 20'000, .clock = nullptr, .files = &files_}, *log, "/log");
    for (int i = 0; i < 24; ++i) {
      const uint64_t next = log->next();
      const auto sequence = log->append(log_payload(next));
      if (!sequence) {
        EXPECT_NE(sequence.error().message.find("read-only"), std::string::npos);
        EXPECT_FALSE(log->health());
        outcome.read_only = true;
        break;
      }
      handed_in_ = std::max(handed_in_, *sequence);
      const Status flushed = log->flush();
      if (flushed) {
        EXPECT_GE(log->durable(), *sequence);
        outcome.went_on |= reached_;
      } else if (flushed.error().code == ErrorCode::NoSpace) {
        wait_for_space(*log);
      }
      // What retention cannot do now, it does later; it must not harm.
      if (i % 6 == 5 && retention) (void)(*retention)->run(log->durable() / 2);
    }
    log.reset();
  }

  // The log tries again by itself.
  void wait_for_space(Log& log) {
    if (fault_.times == 0) {
      EXPECT_EQ(log.health().error().code, ErrorCode::NoSpace);
      files_.set_gate({});
    }
    while (log.durable() + 1 < log.next() && log.health().error().code == ErrorCode::NoSpace)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  void check(MemoryFileSystem& files) {
    const auto log = Log::open(log_options_on(files));
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_GE((*log)->durable(), acknowledged_) << "lost";
    ASSERT_LE((*log)->durable(), handed_in_) << "invented";
    std::vector<LogRecord> records;
    must((*log)->reader(1)->read(1 << 20, 1 << 30, records));
    uint64_t next = (*log)->statistics().first;
    for (const LogRecord& record : records) {
      ASSERT_EQ(record.sequence, next++);
      ASSERT_FALSE(record.damaged) << record.sequence;
      ASSERT_EQ(record.payload, log_payload(record.sequence));
    }
    ASSERT_EQ(next, (*log)->durable() + 1);
  }

  const Fault& fault_;
  const size_t at_;
  std::atomic<size_t> passed_ = 0;
  std::atomic<bool> reached_ = false;
  std::atomic<uint64_t> acknowledged_ = 0;
  uint64_t handed_in_ = 0;
  MemoryFileSystem files_;
};

// Many at once, because one that finds no space waits for a second.
void run_all(const Fault& fault) {
  constexpr size_t kThreads = 24;
  std::atomic<size_t> next = 0, runs = 0, went_on = 0, read_only = 0, refused = 0;
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (!over && !testing::Test::HasFailure()) {
        const size_t at = next++;
        SCOPED_TRACE(fmt::format("{} at operation {}", fault.name, at));
        const Outcome outcome = Scenario(fault, at).run();
        if (!outcome.reached) over = true;
        ++runs;
        acknowledged += outcome.acknowledged;
        went_on += outcome.went_on ? 1 : 0;
        read_only += outcome.read_only ? 1 : 0;
        refused += outcome.refused ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  fmt::print("faults, {}: {} runs, {} acknowledged, {} went on, {} read-only, {} not opened, {}\n",
             fault.name, runs.load(), acknowledged.load(), went_on.load(), read_only.load(),
             refused.load(), testing::Test::HasFailure() ? "FAILED" : "0 lost, 0 invented");
  EXPECT_GT(runs, 150U);
  if (fault.times == 1) {
    EXPECT_GT(went_on, runs / 2);
  }
}

TEST(LogFaults, OneError) { run_all(kFaults[0]); }
TEST(LogFaults, TwoErrors) { run_all(kFaults[1]); }
TEST(LogFaults, ErrorsFromThenOn) { run_all(kFaults[2]); }
TEST(LogFaults, NoSpaceOnce) { run_all(kFaults[3]); }
TEST(LogFaults, NoSpaceFromThenOn) { run_all(kFaults[4]); }

}  // namespace
}  // namespace wiremill
