// A batch waits a moment for documents that are on their way to the disk.
#include "daemon/service/intake_reader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "daemon/log/memory_file_system.hpp"

namespace wiremill {
namespace {

using namespace std::chrono_literals;

class IntakeReaderTest : public testing::Test {
 protected:
  IntakeReaderTest() {
    LogOptions options;
    options.directory = "/log";
    options.name = "intake";
    options.segment_bytes = 16 << 10;
    options.files = &files_;
    log_ = Log::open(options).value();
    EXPECT_TRUE(log_->append("on the disk"));
    EXPECT_TRUE(log_->flush());
    files_.set_gate([this](MemoryFileSystem::Kind kind, const std::string&) -> Status {
      while (kind == MemoryFileSystem::Kind::Sync && is_stuck_) std::this_thread::sleep_for(1ms);
      return {};
    });
    EXPECT_TRUE(log_->append("on its way"));
  }

  size_t read(std::chrono::milliseconds wait_at_most) {
    std::vector<LogRecord> records;
    IntakeReader reader(*log_, 1, wait_at_most);
    EXPECT_TRUE(reader.read(32, 1 << 20, records));
    return records.size();
  }

  std::atomic<bool> is_stuck_ = true;
  MemoryFileSystem files_;
  std::unique_ptr<Log> log_;
};

TEST_F(IntakeReaderTest, ABatchTakesWhatArrivesWhileItWaits) {
  auto reading = std::async(std::launch::async, [this] { return read(1h); });
  EXPECT_EQ(reading.wait_for(50ms), std::future_status::timeout) << "it does not wait";
  is_stuck_ = false;
  EXPECT_EQ(reading.get(), 2U);
}

TEST_F(IntakeReaderTest, ABatchDoesNotWaitForever) {
  EXPECT_EQ(read(5ms), 1U);
  is_stuck_ = false;
}

}  // namespace
}  // namespace wiremill
