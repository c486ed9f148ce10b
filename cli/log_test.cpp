// `wiremill log` on logs made here: what it counts, and what it says where the two logs or their
// totals do not agree, which no sound daemon leaves behind.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/command.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/segment.hpp"
#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill::cli {
namespace {

namespace fs = std::filesystem;

class LogCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "wiremill-log-command-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    state_ = pattern;
  }
  void TearDown() override { fs::remove_all(state_); }

  void write(const std::string& name, const std::vector<std::string>& payloads) const {
    LogOptions options;
    options.directory = state_ / name;
    options.name = name;
    options.segment_bytes = 64 << 10;
    const auto log = Log::open(options).value();
    for (const std::string& payload : payloads) ASSERT_TRUE(log->append(payload));
    ASSERT_TRUE(log->flush());
  }
  void write_intake(size_t count) const {
    write("intake", std::vector<std::string>(count, "a document"));
  }

  static std::string result(v1::Result::Status status, uint64_t processed, uint64_t dropped,
                            uint64_t dead) {
    v1::ResultRecord record;
    record.set_status(status);
    record.mutable_totals()->set_processed(processed);
    record.mutable_totals()->set_dropped(dropped);
    record.mutable_totals()->set_dead(dead);
    return record.SerializeAsString();
  }

  // What it prints; its exit code goes to code_.
  std::string run(const std::string& words) {
    CLI::App app;
    add_log(app, code_);
    testing::internal::CaptureStdout();
    app.parse("log " + words + " " + state_.string());
    return testing::internal::GetCapturedStdout();
  }

  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  fs::path state_;
  int code_ = -1;
};

TEST_F(LogCommandTest, CountsEveryOutcomeAgain) {
  write_intake(5);
  write("result", {result(v1::Result::PROCESSED, 1, 0, 0), result(v1::Result::DROPPED, 1, 1, 0),
                   result(v1::Result::DEAD, 1, 1, 1), result(v1::Result::PROCESSED, 2, 1, 1)});
  const std::string json = run("verify --ledger --format json");
  EXPECT_EQ(code_, 0) << json;
  EXPECT_TRUE(has(json, R"("accepted":5,"processed":2,"dropped":1,"dead":1,"unreadable":0,)"
                        R"("results_removed":0,"in_flight":1,)"))
      << json;
  EXPECT_TRUE(has(json, R"("disagreements":0,"result_ahead":false,)"
                        R"("totals":{"processed":2,"dropped":1,"dead":1})"))
      << json;
  EXPECT_TRUE(has(run("verify --ledger"), "Totals agree: 2 processed, 1 dropped, 1 dead"));
}

TEST_F(LogCommandTest, NamesTheFirstResultWhoseTotalsDisagree) {
  write_intake(3);
  write("result", {result(v1::Result::PROCESSED, 1, 0, 0), result(v1::Result::PROCESSED, 3, 0, 0),
                   result(v1::Result::PROCESSED, 4, 0, 0)});
  const std::string text = run("verify --ledger");
  EXPECT_EQ(code_, 65);
  EXPECT_TRUE(has(text, "Totals disagree with the recount 1 times, first in result 2.")) << text;
}

TEST_F(LogCommandTest, SaysThatAnIntakeLogLostItsEnd) {
  write_intake(1);
  write("result", {result(v1::Result::PROCESSED, 1, 0, 0), result(v1::Result::PROCESSED, 2, 0, 0)});
  const std::string text = run("verify --ledger");
  EXPECT_EQ(code_, 65);
  EXPECT_TRUE(has(text, "The result log ends at 2, the intake log at 1: it lost its end.")) << text;
  run("stat --ledger");
  EXPECT_EQ(code_, 0) << "only verify says it by its exit code";
}

TEST_F(LogCommandTest, CountsAResultThatIsNone) {
  write_intake(3);
  write("result", {result(v1::Result::PROCESSED, 1, 0, 0), "\xff no record",
                   result(v1::Result::PROCESSED, 3, 0, 0)});
  const std::string json = run("verify --ledger --format json");
  EXPECT_TRUE(has(json, R"("processed":2,"dropped":0,"dead":0,"unreadable":1,)")) << json;
  EXPECT_TRUE(has(json, R"("disagreements":0,)")) << "what follows it is not held against it";
}

TEST_F(LogCommandTest, NamesTheFileAndTheOffsetOfDamage) {
  write_intake(3);
  write("result", {});
  const fs::path segment = state_ / "intake" / segment_file_name(1);
  {
    std::fstream file(segment, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(kSegmentHeaderBytes + kGroupHeaderBytes + kRecordHeaderBytes + 2);
    file.put('X');
  }
  const std::string text = run("verify");
  EXPECT_EQ(code_, 65);
  EXPECT_TRUE(has(text, fmt::format("{}, offset {}: record 1: damaged", segment.string(),
                                    kSegmentHeaderBytes + kGroupHeaderBytes)))
      << text;
  EXPECT_TRUE(has(run("stat"), "1 records cannot be read"));
  EXPECT_EQ(code_, 0);
}

}  // namespace
}  // namespace wiremill::cli
