// The second reading of a log: what it finds, what it leaves alone, and that it ends when told to.
#include "daemon/log/scrub.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

constexpr int64_t kFast = 1 << 30;

class ScrubTest : public testing::Test {
 protected:
  ScrubTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "wiremill-scrub-XXXXXX").string();
    WM_INVARIANT(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    LogOptions options;
    options.directory = root_ + "/log";
    options.name = "result";
    options.segment_bytes = 64 << 10;
    log_ = Log::open(options).value();
    for (int i = 1; i <= 1000; ++i) {
      EXPECT_TRUE(log_->append(std::string(1000, 's')));
      if (i % 10 != 0) continue;
      EXPECT_TRUE(log_->flush());  // small groups fill their segments
    }
  }
  ~ScrubTest() override {
    log_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string segment(uint64_t first) const { return root_ + "/log/" + segment_file_name(first); }

  void flip(uint64_t first, int64_t at) const {
    std::fstream file(segment(first), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file.put('X');
  }

  static void wait_for_a_round(const Scrub& scrub) {
    while (scrub.progress().rounds == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  // How much of the file the page cache holds.
  static size_t cached_pages(const std::string& path) {
    const size_t bytes = std::filesystem::file_size(path);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    std::vector<unsigned char> pages((bytes + 4095) / 4096);
    EXPECT_EQ(::mincore(mapped, bytes, pages.data()), 0);
    ::munmap(mapped, bytes);
    ::close(fd);
    size_t cached = 0;
    for (const unsigned char page : pages) cached += page & 1;
    return cached;
  }

  std::string root_;
  std::unique_ptr<Log> log_;
};

TEST_F(ScrubTest, CountsWhatIsDamagedInAllButTheNewestSegment) {
  const LogStatistics before = log_->statistics();
  ASSERT_GT(before.segments, 5U);
  ASSERT_LT(before.newest_segment, 1000U);
  constexpr int64_t kFirstPayload = kSegmentHeaderBytes + kGroupHeaderBytes + kRecordHeaderBytes;
  flip(1, kFirstPayload + 5);
  flip(before.newest_segment, kFirstPayload + 5);
  const Scrub scrub(*log_, kFast);
  wait_for_a_round(scrub);
  EXPECT_EQ(log_->statistics().damaged_records, 1U);
  EXPECT_EQ(scrub.progress().records, before.newest_segment - 1);
  EXPECT_GE(scrub.progress().bytes, (before.newest_segment - 2) * 1016);
}

TEST_F(ScrubTest, LeavesThePageCacheAlone) {
  struct statfs status {};
  ASSERT_EQ(::statfs(root_.c_str(), &status), 0);
  if (status.f_type == 0x01021994) GTEST_SKIP() << "a tmpfs lives in the page cache";
  std::ifstream file(segment(1), std::ios::binary);
  const std::string read{std::istreambuf_iterator<char>(file), {}};
  ASSERT_GT(cached_pages(segment(1)), 8U) << read.size() << " bytes were read";
  const Scrub scrub(*log_, kFast);
  wait_for_a_round(scrub);
  EXPECT_LE(cached_pages(segment(1)), 2U);
}

TEST_F(ScrubTest, KeepsToItsRateAndEndsAtOnce) {
  const Scrub scrub(*log_, 1);
  while (scrub.progress().records == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_LE(scrub.progress().records, 256U);
  EXPECT_EQ(scrub.progress().rounds, 0U);
}

TEST_F(ScrubTest, GoesOnWhereRetentionRemovesUnderIt) {
  const Scrub scrub(*log_, 2 << 20);
  while (scrub.progress().records == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(log_->remove_below(900));
  wait_for_a_round(scrub);
  EXPECT_LT(scrub.progress().records, 900U);
  EXPECT_EQ(log_->statistics().damaged_records, 0U);
}

}  // namespace
}  // namespace wiremill
