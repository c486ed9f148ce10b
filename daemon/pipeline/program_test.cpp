// Stages that are programs (`command:`), through a whole line: what they say, how they die, and what
// they print where messages belong.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/host/hosted_stage.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

StageConfig program(std::vector<std::string> command) {
  StageConfig config;
  config.where = "test.yaml:1:1";
  config.name = "probe";
  config.command = std::move(command);
  config.own_process = true;
  return config;
}

StageConfig probe() { return program({"/usr/bin/python3", PROBE_PROGRAM}); }

StageConfig shell(const std::string& script) {
  StageConfig config = program({"sh", "-c", script});
  config.processes = 20;
  return config;
}

std::string outcome(const v1::ResultRecord& record) {
  const v1::Result result = result_of(record);
  return v1::Result::Status_Name(result.status()) + " " + result.failure().code();
}

std::string message(const v1::ResultRecord& record) {
  return result_of(record).failure().message();
}

std::string why_not(const StageConfig& config) {
  const auto line = Line::build({config}, {}, {});
  return line ? "it was made" : line.error()[0].message;
}

// Ended; whether somebody above took note is no matter of ours.
bool is_zombie(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  return text.find(") Z ") != std::string::npos;
}

void option(StageConfig& config, const std::string& name, const std::string& value) {
  config.options.push_back({name, {.where = "t:1:1", .scalar = value, .list = {}}});
}

TEST(Program, SaysWhatAPluginSays) {
  const auto line = build({probe()});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s1", "Rain fell."},
                                   {"s2", "drop"},
                                   {"s1", "skip"},
                                   {"s2", "Größe \xff zählt"},
                                   {"s1", "fill"},
                                   {"s2", "throw in settle"},
                                   {"s2", ""}});
  const v1::Result first = result_of(records[0]);
  EXPECT_EQ(outcome(records[0]), "PROCESSED ") << first.failure().message();
  EXPECT_EQ(first.byline(), "Rain fell.");
  ASSERT_EQ(first.entities_size(), 1);
  EXPECT_EQ(first.entities(0).mentions(0).end(), 4U);
  ASSERT_EQ(first.extensions_size(), 1);
  EXPECT_EQ(first.extensions(0).name(), "test.program");
  EXPECT_EQ(first.extensions(0).json(), R"({"count":1,"sources":["s1=1"],"carried":true})");
  EXPECT_EQ(outcome(records[1]), "DROPPED UNWANTED");
  EXPECT_EQ(outcome(records[2]), "PROCESSED ");
  EXPECT_EQ(result_of(records[2]).byline(), "");
  EXPECT_EQ(outcome(records[3]), "PROCESSED ") << message(records[3]);
  EXPECT_EQ(result_of(records[4]).extensions(0).json(),
            R"({"count":3,"sources":["s1=3","s2=1"],"carried":true})");
  EXPECT_EQ(outcome(records[5]), "DEAD EXCEPTION");
  EXPECT_EQ(message(records[5]), "ValueError: thrown");
  // What the failed document wrote is forgotten.
  EXPECT_EQ(result_of(records[6]).extensions(0).json(),
            R"({"count":2,"sources":["s1=3","s2=2"],"carried":true})");
  EXPECT_EQ(line->stages()[0].stage->metrics().counters().at("seen"), 5U);
}

TEST(Program, GivesTheSameBytesOnEveryNumberOfThreads) {
  const std::vector<Submitted> documents = mixed_documents(200);
  const auto line = build({probe()});
  ASSERT_NE(line, nullptr);
  const auto alone = run(*line, documents, {.threads = 1});
  const auto many = run(*line, documents, {.threads = 3});
  ASSERT_EQ(many.size(), alone.size());
  for (size_t i = 0; i < many.size(); ++i)
    ASSERT_EQ(many[i].SerializeAsString(), alone[i].SerializeAsString()) << i;
}

TEST(Program, ADeathCostsTheGuiltyDocumentAlone) {
  const struct {
    const char* body;
    const char* code;
    const char* message;  // a part of it
  } kDeaths[] = {{"die by abort", "CRASHED", "SIGABRT"},
                 {"die by exit", "CRASHED", "exit code 3"},
                 {"die with words", "CRASHED", "SIGTERM; its last words: the last words"},
                 {"hang", "DEADLINE", "ran for more than 3000 ms"},
                 {"die by memory", "MEMORY", "limit of 128 MiB"},
                 {"die by shared memory", "MEMORY", "limit of 128 MiB"},
                 {"print raw", "PROTOCOL", "no message: 'Hello"},
                 {"throw", "EXCEPTION", "ValueError: thrown"},
                 {"bad span", "REFUSED", "its entities: a span out of range"},
                 {"ask forever", "DEADLINE", "ran for more than 3000 ms"},
                 {"die in settle", "CRASHED", "SIGABRT"}};
  std::vector<Submitted> documents;
  for (const auto& death : kDeaths)
    for (const char* body : {"plain", death.body, "also plain"}) documents.push_back({"s", body});
  StageConfig config = probe();
  config.deadline_ms = 3000;
  config.memory_bytes_max = 128 << 20;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, documents, {.threads = 2});
  for (size_t i = 0; i < std::size(kDeaths); ++i) {
    EXPECT_EQ(outcome(records[3 * i + 1]), std::string("DEAD ") + kDeaths[i].code)
        << kDeaths[i].body;
    EXPECT_NE(message(records[3 * i + 1]).find(kDeaths[i].message), std::string::npos)
        << kDeaths[i].body << ": " << message(records[3 * i + 1]);
    for (const size_t neighbour : {3 * i, 3 * i + 2})
      EXPECT_EQ(outcome(records[neighbour]), "PROCESSED ") << message(records[neighbour]);
  }
  // Each of the others was counted once, however often it was called again.
  EXPECT_EQ(result_of(records.back()).extensions(0).json(),
            R"({"count":22,"sources":["s=22"],"carried":true})");
}

TEST(Program, ADeathBetweenDocumentsIsNobodysFault) {
  const std::filesystem::path mark =
      std::filesystem::temp_directory_path() / fmt::format("wiremill-{}-mark", getpid());
  StageConfig config = probe();
  option(config, "dies_once", mark.string());
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
  const auto records = run(*line, {{"s", "plain"}, {"s", "plain"}});
  for (const auto& record : records) EXPECT_EQ(outcome(record), "PROCESSED ") << message(record);
  std::filesystem::remove(mark);
}

// What answers look like where bytes of them were changed on the way.
TEST(Program, DamagedAnswersHurtNobodyElse) {
  std::vector<Submitted> documents;
  for (int i = 0; i < 20; ++i) {
    documents.push_back({"s", fmt::format("babble {}", i)});
    documents.push_back({"s", "plain"});
  }
  const auto line = build({probe()});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, documents, {.threads = 1, .batch_documents_max = 1});
  size_t refused = 0;
  for (size_t i = 0; i < records.size(); i += 2) {
    refused += outcome(records[i]).starts_with("DEAD ") ? 1 : 0;
    EXPECT_EQ(outcome(records[i + 1]), "PROCESSED ") << message(records[i + 1]);
  }
  EXPECT_GT(refused, 0U);
}

TEST(Program, ProcessorTimeIsALimitOfItsOwn) {
  StageConfig config = probe();
  config.cpu_seconds_max = 1;
  config.deadline_ms = 60'000;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "plain"}, {"s", "compute"}, {"s", "plain"}});
  EXPECT_EQ(outcome(records[0]), "PROCESSED ");
  EXPECT_EQ(outcome(records[1]), "DEAD CPU");
  EXPECT_NE(message(records[1]).find("more than 1 s of processor time"), std::string::npos);
  EXPECT_EQ(outcome(records[2]), "PROCESSED ");
}

// What it starts is refused, or counted with it and ends with it.
TEST(Program, ItsProcessesAreLimited) {
  StageConfig config = probe();
  const auto refused = run(*build({config}), {{"s", "start processes 1"}, {"s", "plain"}});
  EXPECT_EQ(outcome(refused[0]), "DEAD EXCEPTION");
  EXPECT_NE(message(refused[0]).find("Operation not permitted"), std::string::npos)
      << message(refused[0]);
  EXPECT_EQ(outcome(refused[1]), "PROCESSED ");

  config.processes = 4;
  config.memory_bytes_max = 256 << 20;
  const std::filesystem::path mark =
      std::filesystem::temp_directory_path() / fmt::format("wiremill-{}-child", getpid());
  option(config, "notes", mark.string());
  const auto records = run(*build({config}), {{"s", "start processes 3"},
                                              {"s", "start processes 4"},
                                              {"s", "plain"},
                                              {"s", "start large processes"},
                                              {"s", "share memory with processes"},
                                              {"s", "leave the group"}});
  EXPECT_EQ(outcome(records[0]), "PROCESSED ") << message(records[0]);
  EXPECT_EQ(outcome(records[1]), "DEAD PROCESSES");
  EXPECT_NE(message(records[1]).find("had 5 processes, over its limit of 4"), std::string::npos)
      << message(records[1]);
  EXPECT_EQ(outcome(records[2]), "PROCESSED ");
  EXPECT_EQ(outcome(records[3]), "DEAD MEMORY");  // none of them holds too much
  EXPECT_EQ(outcome(records[4]), "PROCESSED ") << message(records[4]);
  EXPECT_EQ(outcome(records[5]), "DEAD EXCEPTION");
  EXPECT_NE(message(records[5]).find("Operation not permitted"), std::string::npos);
  // Nothing that was started is left.
  std::ifstream notes(mark);
  size_t started = 0;
  for (pid_t child; notes >> child; ++started) {
    for (int i = 0; i < 1000 && kill(child, 0) == 0 && !is_zombie(child); ++i) usleep(10'000);
    EXPECT_TRUE(kill(child, 0) != 0 || is_zombie(child)) << child;
  }
  EXPECT_GE(started, 4U);
  std::filesystem::remove(mark);
}

TEST(Program, LargeDocumentsGoThrough) {
  const std::string large(10 << 20, 'l');
  const auto line = build({probe()});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", large}, {"s", large}, {"s", "plain"}});
  for (const auto& record : records) EXPECT_EQ(outcome(record), "PROCESSED ") << message(record);
  const auto too_large = run(
      *line, {{"s", "plain"}, {"s", std::string(33 << 20, 'l')}, {"s", "plain"}}, {.threads = 1});
  EXPECT_EQ(outcome(too_large[0]), "PROCESSED ");
  EXPECT_EQ(outcome(too_large[1]), "DEAD TOO_LARGE");
  EXPECT_EQ(outcome(too_large[2]), "PROCESSED ");
  EXPECT_NE(result_of(records[1]).extensions(0).json().find("\"carried\":true"), std::string::npos);
}

TEST(Program, OptionsAreCheckedAgainstTheTableThatItTells) {
  StageConfig config = probe();
  option(config, "refuse", "no reason");
  EXPECT_EQ(why_not(config), "stage 'probe': no reason");
  config = probe();
  option(config, "no_such", "1");
  EXPECT_NE(why_not(config).find("unknown option 'no_such'"), std::string::npos);
  config = probe();
  option(config, "patience", "1h");
  EXPECT_NE(why_not(config).find("must be from 1ms to 10s, not 1h"), std::string::npos);
  std::vector<std::string> lines;
  config = probe();
  option(config, "patience", "3s");
  const auto line = Line::build(
      {config}, {},
      [&](std::string_view, uint32_t, std::string_view said) { lines.emplace_back(said); });
  ASSERT_TRUE(line);
  run(**line, {{"s", "plain"}}, {.threads = 1});
  EXPECT_EQ(lines, std::vector<std::string>{"3000 ['a', 'b']"});
}

TEST(Program, WhatIsNoStageIsAnErrorOfTheConfiguration) {
  EXPECT_EQ(why_not(shell("echo Hello, world; cat > /dev/null")),
            "stage 'probe': its program wrote to its standard output what is no message: "
            "'Hello, world'");
  EXPECT_EQ(why_not(shell("printf '\\000\\000\\000\\003abc'; cat")),
            "stage 'probe': its program wrote a message of 3 bytes that cannot be read");
  EXPECT_EQ(why_not(shell("printf '\\000\\000\\000\\000'; cat")),
            "stage 'probe': its program answered hello with something else");
  EXPECT_EQ(why_not(shell("printf '\\000\\000\\000\\002\\012\\000'; cat")),
            "stage 'probe': its program speaks protocol 0, this daemon 1");
  EXPECT_EQ(why_not(shell("printf '\\000\\000\\000\\004\\012\\002\\120\\001'; cat")),
            "stage 'probe': its program gives no id or no version, or one that is not short and of "
            "visible ASCII characters");
  EXPECT_EQ(why_not(shell("echo the last words >&2; exit 5")),
            "stage 'probe': its process, while it started, ended with exit code 5; its last words: "
            "the last words");
  EXPECT_EQ(why_not(shell("exec >&-; exec sleep 1000")),
            "stage 'probe': its program closed its standard output");
  EXPECT_EQ(
      why_not(program({"no-such-program"})),
      "stage 'probe': its process, while it started, ended with exit code 127; its last words: "
      "cannot run no-such-program: No such file or directory");
  StageConfig config = shell("true");
  config.folder = "/nowhere";
  EXPECT_NE(why_not(config).find("cannot go to the folder /nowhere"), std::string::npos);
}

TEST(Program, FindsAReducedEnvironmentAndNoDescriptors) {
  StageConfig config = shell(
      "env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; ls /proc/self/fd | tr '\\n' ' ' >&2;"
      "grep NoNewPrivs /proc/self/status >&2; pwd >&2");
  config.environment = {{"MODEL", "large"}};
  config.folder = "/usr/share";
  const std::string said = why_not(config);
  EXPECT_NE(said.find("words: LANG MODEL PATH PWD PYTHONPATH 0 1 2 3 NoNewPrivs: 1 /usr/share"),
            std::string::npos)
      << said;  // 3 is the folder that ls reads
}

// The process that asks for its end must not have missed its parent's.
TEST(Program, IsNotStartedWhereItsParentIsGone) {
  const auto says = [](const std::string& parent) {
    const std::string command =
        "'" + stagehost_program() + "' " + parent + " 1 '' --command . echo started 2>&1; :";
    FILE* const pipe = popen(command.c_str(), "r");
    char line[256] = "";
    EXPECT_NE(std::fgets(line, sizeof line, pipe), nullptr);
    pclose(pipe);
    return std::string(line);
  };
  EXPECT_EQ(says("$$"), "started\n");
  EXPECT_EQ(says("1").find("wiremill-stagehost is started by wiremilld"), 0U);
}

TEST(Program, AProgramThatCannotBeStartedAgainBreaksItsStage) {
  const std::filesystem::path script =
      std::filesystem::temp_directory_path() / fmt::format("wiremill-{}-stage.py", getpid());
  std::filesystem::copy_file(PROBE_PROGRAM, script);
  StageConfig config = program({"/usr/bin/python3", script.string()});
  config.on_broken = StageConfig::OnBroken::DeadLetter;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  std::filesystem::remove(script);
  const auto records =
      run(*line, {{"s", "plain"}, {"s", "die by abort"}, {"s", "plain"}}, {.threads = 1});
  EXPECT_EQ(outcome(records[1]), "DEAD CRASHED");
  EXPECT_EQ(outcome(records[2]), "DEAD BROKEN");
  EXPECT_NE(message(records[2])
                .find("it cannot be started: its process, while it started, ended "
                      "with exit code 2"),
            std::string::npos)
      << message(records[2]);
  EXPECT_NE(message(records[2]).find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace wiremill
