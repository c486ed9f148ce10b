// Golden files of the test kit: what they hold, how a difference reads, and that they are written only
// where the environment says so.
#include <gtest/gtest.h>
#include <unistd.h>
#include <wiremill/golden.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace wiremill::testing {
namespace {

namespace fs = std::filesystem;

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "wiremill-golden-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/deep/rain.txt";
    unsetenv("WIREMILL_GOLDEN");
  }
  void TearDown() override {
    unsetenv("WIREMILL_GOLDEN");
    fs::remove_all(folder_);
  }
  void write(const std::string& text) const {
    setenv("WIREMILL_GOLDEN", "write", 1);
    EXPECT_EQ(check_golden(path_, text), "");
    unsetenv("WIREMILL_GOLDEN");
  }

  std::string folder_, path_;
};

TEST_F(GoldenTest, IsWrittenOnlyWhereItIsAskedFor) {
  EXPECT_EQ(check_golden(path_, "one\n"),
            path_ + " cannot be read; WIREMILL_GOLDEN=write writes it");
  EXPECT_FALSE(fs::exists(path_));
  write("one\n");
  EXPECT_EQ(check_golden(path_, "one\n"), "");
  EXPECT_NE(check_golden(path_, "two\n"), "");
  EXPECT_EQ(check_golden(path_, "one\n"), "") << "a difference rewrites nothing";
  write("two\n");
  EXPECT_EQ(check_golden(path_, "two\n"), "");
  setenv("WIREMILL_GOLDEN", "write", 1);
  EXPECT_EQ(check_golden(path_ + "/below", "x"), path_ + "/below cannot be written");
}

TEST_F(GoldenTest, NamesTheFirstLineThatDiffers) {
  write("one\ntwo\nthree\n");
  const auto differs = [&](const std::string& line, const std::string& golden,
                           const std::string& is) {
    return path_ + ", line " + line + ":\n  golden: " + golden + "\n  is:     " + is +
           "\nWIREMILL_GOLDEN=write rewrites it";
  };
  EXPECT_EQ(check_golden(path_, "one\n2\nthree\n"), differs("2", "two", "2"));
  EXPECT_EQ(check_golden(path_, "one\ntwo\n"), differs("3", "three", ""));
  EXPECT_EQ(check_golden(path_, "one\ntwo\nthree"), differs("3", "three", "three"));
  EXPECT_EQ(check_golden(path_, "one\ntwo\nthree\nfour\n"), differs("4", "", "four"));
  EXPECT_EQ(check_golden(path_, ""), differs("1", "one", ""));
}

TEST_F(GoldenTest, HoldsAllThatAStageSaid) {
  TestResult whole;
  whole.sequence = 1;
  whole.texts = {{WM_TITLE, "Rain"}, {WM_TEXT, "It rained."}};
  whole.published_us = 7;
  whole.paragraphs = {{{0, 10, 5, 15}}};
  whole.language = TestLanguage{"en", "Latn", 0.9987, {{"de", 0.001}}, {{{0, 2}, "fr"}}};
  whole.entities = {{"LOC", "Oslo", 0.5, {{{3, 7}, 0.25}, {{8, 10}, 1}}}};
  whole.duplicate = TestDuplicate{WM_DUPLICATE_NEAR, "a", "c", "s", "f", 0.9, 0.8};
  whole.summary = TestSummary{"It rained.", {{0, 10}}, {"rain", "wet weather"}};
  whole.extension = R"({"nth":1})";
  TestResult dropped;
  dropped.sequence = 2;
  dropped.verdict = WM_DROP;
  dropped.code = "DULL";
  dropped.message = "nothing happens in it";
  EXPECT_EQ(
      describe({whole, dropped}),
      "1: OK\n"
      "  title: Rain\n"
      "  text: It rained.\n"
      "  published: 7\n"
      "  paragraph: 0-10 was 5-15\n"
      "  language: en 0.999 Latn\n"
      "    or de 0.001\n"
      "    0-2 fr\n"
      "  entity: LOC Oslo 0.500 at 3-7 (0.250) 8-10 (1.000)\n"
      "  duplicate: NEAR of a similarity 0.900 containment 0.800 cluster c story s follows f\n"
      "  summary: It rained.\n"
      "    sentences 0-10\n"
      "    keywords [rain] [wet weather]\n"
      "  extension: {\"nth\":1}\n"
      "2: DROP DULL: nothing happens in it\n");
}

}  // namespace
}  // namespace wiremill::testing
