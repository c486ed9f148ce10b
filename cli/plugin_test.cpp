// `wiremill plugin list`, `show`, `check` and `new` on plugins that are sound, refused or not there yet.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "cli/command.hpp"

namespace wiremill::cli {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PluginCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "wiremill-plugin-command-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // What it prints; its exit code goes to code_, what it says on standard error to said_.
  std::string run(const std::string& words) {
    CLI::App app;
    add_plugin(app, code_);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    std::string refused;
    try {
      app.parse("plugin " + words);
    } catch (const CLI::ParseError& error) {
      code_ = 64;
      refused = error.what();
    }
    said_ = testing::internal::GetCapturedStderr() + refused;
    return testing::internal::GetCapturedStdout();
  }

  std::set<std::string> files(const fs::path& below) const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(below))
      found.insert(fs::relative(entry.path(), below).string());
    return found;
  }

  fs::path folder_;
  int code_ = -1;
  std::string said_;
};

TEST_F(PluginCommandTest, ListsWhatIsSoundAndWhatIsRefused) {
  fs::copy(NOTED_PLUGINS "/noted_sound.so", folder_);
  fs::copy(NOTED_PLUGINS "/noted_crashing.so", folder_);
  fs::copy(NOTED_PLUGINS "/noted_other_major.so", folder_);
  fs::copy(NOTED_PLUGINS "/noted_other_id.so", folder_);
  std::ofstream(folder_ / "script.so") << "#!/bin/sh\n";
  std::ofstream(folder_ / "README") << "no plugin, and not called one\n";
  const std::string folder = folder_.string();
  EXPECT_EQ(
      run("list --plugin-dir " + folder),
      "noted_crashing     test.noted  1.2.3   1.3  refused: its process, while it loaded, was "
      "killed by SIGABRT  " +
          folder +
          "/noted_crashing.so\n"
          "noted_other_id     test.other  1.2.3   1.3  refused: its note says test.other 1.2.3, "
          "its descriptor test.noted 1.2.3  " +
          folder +
          "/noted_other_id.so\n"
          "noted_other_major  test.noted  1.2.3   2.3  refused: built for ABI 2.3, this host "
          "speaks 1.3  " +
          folder +
          "/noted_other_major.so\n"
          "noted_sound        test.noted  1.2.3   1.3  Nothing.  " +
          folder +
          "/noted_sound.so\n"
          "script             -           -         -  refused: not a Wiremill plugin: no ELF "
          "file  " +
          folder + "/script.so\n");
  EXPECT_EQ(code_, 0);
}

TEST_F(PluginCommandTest, SaysByItsExitCodeThatNoneCanBeLoaded) {
  EXPECT_EQ(run("list --plugin-dir " + folder_.string()), "");
  EXPECT_EQ(code_, 78);
  std::ofstream(folder_ / "script.so") << "#!/bin/sh\n";
  EXPECT_TRUE(has(run("list --plugin-dir " + folder_.string()), "refused: "));
  EXPECT_EQ(code_, 78);
  run("list --plugin-dir " + (folder_ / "absent").string());
  EXPECT_EQ(code_, 74);
  EXPECT_TRUE(has(said_, "absent")) << said_;
}

TEST_F(PluginCommandTest, ShowsAPluginAsAReference) {
  const std::string path = PROBE_PLUGIN;
  EXPECT_EQ(run("show " + path),
            "test.probe  1.0.0, ABI 1.3\n"
            "Does what the body asks for.\n" +
                path +
                "\n\n"
                "requires  text\n"
                "uses      none\n"
                "provides  byline, extensions.test.probe\n"
                "settles   yes, state version 1\n"
                "options\n"
                "  refuse  string, default \"\"\n"
                "      Makes create fail with this message.\n");
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(
      run("show --format json " + path),
      R"({"id":"test.probe","version":"1.0.0","abi":"1.3","summary":"Does what the body asks )"
      R"(for.","path":")" +
          path +
          R"(","required":["text"],"used":[],"provided":["byline","extensions.test.probe"],)"
          R"("settles":true,"state_version":1,"options":[{"name":"refuse","type":"string",)"
          R"("default":"","range":null,"help":"Makes create fail with this message."}]})"
          "\n");
}

TEST_F(PluginCommandTest, ShowsAPluginByItsName) {
  EXPECT_TRUE(has(run("show noted_sound --plugin-dir " NOTED_PLUGINS), "options   none\n"));
  EXPECT_EQ(code_, 0);
  run("show absent --plugin-dir " NOTED_PLUGINS);
  EXPECT_EQ(code_, 78);
  EXPECT_TRUE(has(said_, "no plugin 'absent' (absent.so) in " NOTED_PLUGINS)) << said_;
}

TEST_F(PluginCommandTest, NothingOfAPluginRunsHere) {
  run("show " NOTED_PLUGINS "/noted_crashing.so");
  EXPECT_EQ(code_, 78);
  EXPECT_TRUE(has(said_, NOTED_PLUGINS
                  "/noted_crashing.so: its process, while it loaded, was killed by SIGABRT"))
      << said_;
  ASSERT_EQ(::unsetenv("NOTED_PLUGIN"), 0);
  run("show " NOTED_PLUGINS "/noted_sound.so");
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(::getenv("NOTED_PLUGIN"), nullptr) << "it leaves a word there when it is mapped";
}

TEST_F(PluginCommandTest, ChecksAPluginALineForEachCheck) {
  const std::string said = run("check --brief --only text,restart " PROBE_PLUGIN);
  EXPECT_EQ(code_, 0) << said;
  EXPECT_TRUE(has(said, "ok      loads         test.probe 1.0.0, ABI 1.3 ")) << said;
  EXPECT_TRUE(has(said, "ok      restart       ")) << said;
  EXPECT_TRUE(has(said, "\n3 passed, none failed\n")) << said;
}

TEST_F(PluginCommandTest, ChecksAPluginWithTheOptionsGiven) {
  const std::string said = run("check --only text --option refuse=[odd " PROBE_PLUGIN);
  EXPECT_EQ(code_, 64);
  EXPECT_TRUE(has(said_, "--option refuse")) << said_;
  const std::string red = run("check --only text --option refuse=never " PROBE_PLUGIN);
  EXPECT_EQ(code_, 1);
  EXPECT_TRUE(has(red, "FAILED  loads: never\n        rule: ")) << red;
  EXPECT_TRUE(has(red, "not run text          the plugin does not load\n")) << red;
  EXPECT_TRUE(has(red, "\n0 passed, 1 failed, 1 not run\n")) << red;
}

TEST_F(PluginCommandTest, ChecksAPluginForMachines) {
  const std::string said =
      run("check --only text --format json " NOTED_PLUGINS "/noted_other_id.so");
  EXPECT_EQ(code_, 1);
  EXPECT_TRUE(said.starts_with(R"({"plugin":")" NOTED_PLUGINS
                               R"(/noted_other_id.so","passed":false,"checks":[{"name":"loads",)"
                               R"("passed":false,"detail":")"))
      << said;
  EXPECT_TRUE(has(said, R"({"name":"text","passed":null,"detail":"the plugin does not load")"))
      << said;
}

TEST_F(PluginCommandTest, RefusesToCheckWhatItDoesNotKnow) {
  run("check --only texts " PROBE_PLUGIN);
  EXPECT_EQ(code_, 64);
  EXPECT_TRUE(has(said_, "no check 'texts'; there are loads, options, ")) << said_;
  run("check --deadline soon " PROBE_PLUGIN);
  EXPECT_EQ(code_, 64);
  run("check absent --plugin-dir " NOTED_PLUGINS);
  EXPECT_EQ(code_, 78);
}

TEST_F(PluginCommandTest, BeginsAProjectUnderItsName) {
  const fs::path project = folder_ / "deep" / "down";
  run("new loud-words " + project.string());
  ASSERT_EQ(code_, 0) << said_;
  const std::set<std::string> expected = {".gitignore",  "CMakeLists.txt", "README.md",
                                          "config.yaml", "stage.cpp",      "stage_test.cpp"};
  EXPECT_EQ(files(project), expected);
  for (const std::string& file : expected) {
    EXPECT_FALSE(has(text_of(project / file), "new_stage")) << file;
    EXPECT_FALSE(has(text_of(project / file), "NewStage")) << file;
  }
  EXPECT_TRUE(has(text_of(project / "stage.cpp"), "WIREMILL_STAGE(LoudWords)"));
  EXPECT_TRUE(has(text_of(project / "stage.cpp"), "\"org.example.loud-words\""));
  EXPECT_TRUE(has(text_of(project / "config.yaml"), "plugin: ./build/loud-words.so"));
}

TEST_F(PluginCommandTest, BeginsAProjectInC) {
  const fs::path project = folder_ / "project";
  run("new --lang c word_count " + project.string());
  ASSERT_EQ(code_, 0) << said_;
  EXPECT_TRUE(files(project).contains("stage.c"));
  EXPECT_FALSE(files(project).contains("stage.cpp"));
  EXPECT_TRUE(has(text_of(project / "stage.c"), "\"org.example.word_count\""));
}

TEST_F(PluginCommandTest, BeginsAProjectInPython) {
  const fs::path project = folder_ / "project";
  run("new --lang python word-count " + project.string());
  ASSERT_EQ(code_, 0) << said_;
  const std::set<std::string> expected = {".gitignore", "README.md", "config.yaml", "stage.py",
                                          "stage_test.py"};
  EXPECT_EQ(files(project), expected);
  EXPECT_TRUE(has(text_of(project / "stage.py"), "class WordCount(Stage)"));
  EXPECT_TRUE(has(text_of(project / "config.yaml"), "command: [/usr/bin/python3, stage.py]"));
}

TEST_F(PluginCommandTest, RefusesNamesThatWillNotDo) {
  for (const std::string name :
       {"Loud", "2words", "words_", "a.b", "../up", "test", "clean", "ü"}) {
    run("new " + name + " " + (folder_ / "project").string());
    EXPECT_EQ(code_, 64) << name;
    EXPECT_TRUE(has(said_, "'" + name + "'")) << said_;
  }
  run("new " + std::string(65, 'a') + " " + (folder_ / "project").string());
  EXPECT_EQ(code_, 64);
  EXPECT_FALSE(fs::exists(folder_ / "project"));
  run("new word --lang cobol " + (folder_ / "project").string());
  EXPECT_EQ(code_, 64);
  EXPECT_TRUE(has(said_, "--lang: cobol not in {cpp,c,python}")) << said_;
}

TEST_F(PluginCommandTest, LeavesAFolderThatIsInUseAlone) {
  std::ofstream(folder_ / "mine") << "mine";
  run("new word " + folder_.string());
  EXPECT_EQ(code_, 64);
  EXPECT_EQ(files(folder_), std::set<std::string>{"mine"});
  run("new word " + (folder_ / "mine").string());
  EXPECT_EQ(code_, 64);
  EXPECT_EQ(text_of(folder_ / "mine"), "mine");
  run("new word /proc/nowhere");
  EXPECT_EQ(code_, 74);
}

}  // namespace
}  // namespace wiremill::cli
