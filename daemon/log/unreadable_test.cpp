// A disk that cannot read a sector, for ever or a few times: it costs the records of that place and no
// others, each counted once, and the log goes on.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "daemon/log/inspect.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

// What the kernel reads at once: all of it fails for one bad sector.
constexpr int64_t kPageBytes = 4096;

// In which page of which file the sector is, and how many more reads of it fail.
struct BadSector {
  std::string path;
  int64_t page = 0;
  int fails = 0;

  bool fails_in(const std::string& file, int64_t offset, size_t size) const {
    return file == path && fails > 0 && offset < page + kPageBytes &&
           offset + static_cast<int64_t>(size) > page;
  }
};

class BadFile final : public File {
 public:
  BadFile(std::unique_ptr<File> file, std::string path, BadSector& bad)
      : file_(std::move(file)), path_(std::move(path)), bad_(bad) {}
  // A page that is written whole is new; of another the kernel must read the rest first.
  Status write_at(int64_t offset, std::string_view bytes) override {
    if (bad_.fails_in(path_, offset, bytes.size())) {
      const int64_t end = offset + static_cast<int64_t>(bytes.size());
      if (offset > bad_.page || end < bad_.page + kPageBytes)
        return fail(ErrorCode::Io, "cannot write {}: Input/output error", path_);
      bad_.fails = 0;
    }
    return file_->write_at(offset, bytes);
  }
  Result<size_t> read_at(int64_t offset, char* into, size_t size) const override {
    if (bad_.fails_in(path_, offset, size)) {
      --bad_.fails;
      return fail(ErrorCode::Io, "cannot read {}: Input/output error", path_);
    }
    return file_->read_at(offset, into, size);
  }
  Status sync() override { return file_->sync(); }
  Status allocate(int64_t size) override { return file_->allocate(size); }
  Status truncate(int64_t size) override { return file_->truncate(size); }
  Result<int64_t> size() const override { return file_->size(); }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  BadSector& bad_;
};

class BadDisk final : public FileSystem {
 public:
  explicit BadDisk(FileSystem& files) : files_(files) {}
  BadSector bad;

  Status make_directory(const std::string& path) override { return files_.make_directory(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return files_.list(directory);
  }
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = files_.open(path, mode);
    if (!file) return file;
    return std::make_unique<BadFile>(std::move(*file), path, bad);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  Status remove(const std::string& path) override { return files_.remove(path); }
  Status sync_directory(const std::string& path) override { return files_.sync_directory(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return files_.lock(path);
  }

 private:
  FileSystem& files_;
};

class Unreadable : public testing::Test {
 protected:
  static constexpr uint64_t kRecords = 60;
  static constexpr int kForEver = 1 << 30;

  // Several segments, closed in order.
  void SetUp() override {
    {
      const auto log = Log::open(log_options_on(files_)).value();
      for (uint64_t sequence = 1; sequence <= kRecords; ++sequence) {
        must(log->append(log_payload(sequence)));
        if (sequence % 3 == 0) must(log->flush());
      }
      must(log->flush());
      ASSERT_GT(log->statistics().segments, 2U);
    }
    const std::vector<std::string> names = files_.list("/log").value();
    for (const std::string& name : names) {
      if (name != "LOCK") stored_["/log/" + name] = files_.contents("/log/" + name);
      if (parse_segment_file_name(name)) segments_.insert("/log/" + name);
    }
  }

  // The records of which a byte lies in the page of the bad sector.
  std::set<uint64_t> in_page(const BadSector& bad) const {
    const std::string& bytes = stored_.at(bad.path);
    const auto page = static_cast<size_t>(bad.page);
    std::set<uint64_t> found;
    for (uint64_t sequence = 1; sequence <= kRecords; ++sequence) {
      const std::string payload = log_payload(sequence);
      const size_t at = bytes.find(payload);
      if (at != std::string::npos && at - kRecordHeaderBytes < page + kPageBytes &&
          at + payload.size() > page)
        found.insert(sequence);
    }
    return found;
  }

  // Opens, reads and goes on; answers which records are damaged.
  std::set<uint64_t> damaged_with(const BadSector& bad) {
    MemoryFileSystem image;
    for (const auto& [path, bytes] : stored_) image.set_contents(path, bytes);
    BadDisk disk(image);
    disk.bad = bad;
    std::set<uint64_t> damaged;
    const auto report = inspect_log("/log", {.record = {}, .progress = {}, .files = &disk});
    EXPECT_TRUE(report) << report.error().message;
    disk.bad = bad;
    LogOptions options = log_options_on(image);
    options.files = &disk;
    const auto log = Log::open(options);
    EXPECT_TRUE(log) << log.error().message;
    if (!report || !log) return damaged;
    EXPECT_EQ((*log)->append("more").value(), kRecords + 1);
    must((*log)->flush());
    for (int reading = 0; reading < 2; ++reading) {
      std::vector<LogRecord> records;
      must((*log)->reader(1)->read(1000, 1 << 30, records));
      EXPECT_EQ(records.size(), kRecords + 1);
      EXPECT_EQ(records.back().payload, "more");
      records.pop_back();
      for (const LogRecord& record : records) {
        if (record.damaged)
          damaged.insert(record.sequence);
        else
          EXPECT_EQ(record.payload, log_payload(record.sequence));
      }
    }
    EXPECT_EQ((*log)->statistics().damaged_records, damaged.size());
    EXPECT_EQ(report->damaged_records, damaged.size());
    return damaged;
  }

  MemoryFileSystem files_;
  std::map<std::string, std::string> stored_;
  std::set<std::string> segments_;
};

TEST_F(Unreadable, ASectorCostsTheRecordsOfItsPageAndNoOthers) {
  size_t lost = 0;
  for (const std::string& path : segments_) {
    const auto bytes = static_cast<int64_t>(stored_[path].size());
    for (int64_t page = 0; page < bytes && !HasFailure(); page += kPageBytes) {
      SCOPED_TRACE(fmt::format("{} at {}", path, page));
      const BadSector bad{path, page, kForEver};
      const std::set<uint64_t> damaged = damaged_with(bad);
      EXPECT_EQ(damaged, in_page(bad));
      lost += damaged.size();
    }
  }
  EXPECT_GT(lost, kRecords / 2);
}

TEST_F(Unreadable, AReadThatFailsAFewTimesCostsNothing) {
  for (const std::string& path : segments_)
    for (int64_t page = 0; page < static_cast<int64_t>(stored_[path].size()); page += kPageBytes)
      for (const int fails : {1, 3})
        EXPECT_TRUE(damaged_with({path, page, fails}).empty()) << path << " at " << page;
}

TEST_F(Unreadable, AMarkCostsNothing) {
  EXPECT_TRUE(damaged_with({"/log/MARK", 0, kForEver}).empty());
}

}  // namespace
}  // namespace wiremill
