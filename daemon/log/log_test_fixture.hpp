// What the tests of the log on the real file system share: a directory of their own, and looking at
// what is in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "daemon/log/log.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wiremill-log-XXXXXX").string();
    WM_INVARIANT(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    options_.directory = root_ + "/log";
    options_.name = "intake";
    options_.segment_bytes = 1 << 20;
  }
  ~LogTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Log> open() const {
    auto log = Log::open(options_);
    if (!log) ADD_FAILURE() << log.error().message;
    return log ? std::move(*log) : nullptr;
  }

  // One group for each call.
  static void append(Log& log, std::string payload) {
    ASSERT_TRUE(log.append(std::move(payload)));
    ASSERT_TRUE(log.flush());
  }

  static std::vector<LogRecord> read_all(const Log& log, uint64_t from = 1) {
    std::vector<LogRecord> records;
    const auto reader = log.reader(from);
    for (size_t before = 1; before != records.size();) {
      before = records.size();
      const Status status = reader->read(7, 1 << 20, records);
      if (!status) ADD_FAILURE() << status.error().message;
      if (records.size() == before) break;
      before = 0;
    }
    return records;
  }

  static std::vector<uint64_t> damaged(const std::vector<LogRecord>& records) {
    std::vector<uint64_t> sequences;
    for (const LogRecord& record : records)
      if (record.damaged) sequences.push_back(record.sequence);
    return sequences;
  }

  std::string segment(uint64_t first) const {
    return options_.directory + '/' + segment_file_name(first);
  }

  static std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static void set_bytes(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  // The directory as kill -9 would leave it now.
  void copy_to(const std::string& directory) const {
    std::filesystem::remove_all(directory);
    std::filesystem::copy(options_.directory, directory);
  }

  std::string root_;
  LogOptions options_;
};

}  // namespace wiremill
