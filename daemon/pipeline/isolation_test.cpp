// Stages in processes of their own (daemon/host), seen from the line: the same answers as inside the
// daemon, and nothing that a stage does to itself reaches another document.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "daemon/base/clock.hpp"
#include "daemon/host/control_group.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

// A sanitizer ends a process with words and an exit code of its own.
constexpr bool kSanitized = WIREMILL_SANITIZED;

StageConfig hosted_probe() {
  StageConfig config = probe_stage("probe");
  config.own_process = true;
  return config;
}

std::string outcome(const v1::ResultRecord& record) {
  const v1::Result result = result_of(record);
  return v1::Result::Status_Name(result.status()) + " " + result.failure().code();
}

TEST(Isolation, GivesTheSameBytesInAProcessAsInTheDaemon) {
  const std::vector<Submitted> documents = mixed_documents(300);
  const auto inside = run(*build({probe_stage("probe")}), documents, {.threads = 1});
  for (const uint32_t threads : {1U, 3U}) {
    const auto hosted = run(*build({hosted_probe()}), documents, {.threads = threads});
    ASSERT_EQ(hosted.size(), inside.size());
    for (size_t i = 0; i < inside.size(); ++i)
      ASSERT_EQ(hosted[i].SerializeAsString(), inside[i].SerializeAsString()) << i;
  }
}

// It asks for few entries first.
TEST(Isolation, AScanSeesAllThatThereIs) {
  std::vector<Submitted> documents;
  for (int i = 0; i < 150; ++i) documents.push_back({"source-" + std::to_string(i), "plain"});
  const auto records = run(*build({hosted_probe()}), documents, {.threads = 1});
  const std::string counted = result_of(records.back()).extensions(0).json();
  for (int i = 0; i < 150; ++i)
    EXPECT_NE(counted.find("source-" + std::to_string(i) + "=1 "), std::string::npos) << i;
}

TEST(Isolation, ADeathCostsTheGuiltyDocumentAlone) {
  const struct {
    const char* body;
    const char* code;
    const char* message;  // a part of it
  } kDeaths[] = {{"die by a wild pointer", "CRASHED", "SIGSEGV"},
                 {"die by abort", "CRASHED", "SIGABRT"},
                 {"die by a full stack", "CRASHED", "SIGSEGV"},
                 {"die by exit", "CRASHED", "exit code 3"},
                 {"die in a thread", "CRASHED", "SIGABRT"},
                 {"die by a loop", "DEADLINE", "2000 ms"},
                 {"die by memory", "MEMORY", "limit of 128 MiB"},
                 {"die by closing", "CRASHED", "SIGABRT"},
                 {"die by forks", "CRASHED", "SIGSYS"},
                 {"die by threads", "PROCESSES", "threads, over its limit of 256"},
                 {"die with words", "CRASHED", "its last words: the last words"}};
  std::vector<Submitted> documents;
  for (const std::string where : {"", "in settle: "})
    for (const auto& death : kDeaths)
      for (const std::string& body : {std::string("plain"), where + death.body, std::string("also")})
        documents.push_back({"s", body});
  StageConfig config = hosted_probe();
  config.deadline_ms = kSanitized ? 5000 : 2000;  // a sanitizer's report takes its time
  config.memory_bytes_max = 128 << 20;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, documents, {.threads = 2});
  for (size_t i = 0; i < 2 * std::size(kDeaths); ++i) {
    const auto& death = kDeaths[i % std::size(kDeaths)];
    const bool in_settle = i >= std::size(kDeaths);
    const v1::Result dead = result_of(records[3 * i + 1]);
    EXPECT_EQ(outcome(records[3 * i + 1]), std::string("DEAD ") + death.code)
        << documents[3 * i + 1].body;
    EXPECT_TRUE(kSanitized || dead.failure().message().find(death.message) != std::string::npos)
        << documents[3 * i + 1].body << ": " << dead.failure().message();
    EXPECT_EQ(dead.failure().stage(), "probe");
    EXPECT_EQ(dead.failure().attempts(), 1U);
    EXPECT_EQ(dead.byline().empty(), !in_settle);
    for (const size_t neighbour : {3 * i, 3 * i + 2})
      EXPECT_EQ(outcome(records[neighbour]), "PROCESSED ")
          << neighbour << result_of(records[neighbour]).failure().message();
  }
  // Each of the others was counted once, however often it was called again.
  EXPECT_EQ(result_of(records.back()).extensions(0).json(),
            R"({"count":44,"sources":"s=44 ","carried":true})");
}

// 0.2 s of processor time beside many who are in no hurry to give it up.
TEST(Isolation, ADocumentIsNotLateBecauseTheMachineIsBusy) {
  StageConfig config = hosted_probe();
  config.deadline_ms = 1000;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  std::atomic<bool> is_over = false;
  std::vector<std::thread> others;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i)
    others.emplace_back([&] {
      while (!is_over) {
      }
    });
  const int64_t began_ns = monotonic_ns();
  const auto records = run(*line, {{"s", "compute"}});
  const bool was_busy = monotonic_ns() - began_ns > config.deadline_ms * 1'000'000;
  is_over = true;
  for (std::thread& other : others) other.join();
  EXPECT_EQ(outcome(records[0]), "PROCESSED ") << result_of(records[0]).failure().message();
  if (!was_busy) GTEST_SKIP() << "it was not kept from a core for long enough to say anything";
}

// With the wait excused it would reach its processor time instead.
TEST(Isolation, ADocumentThatTakesTheCoresFromItselfIsLate) {
  StageConfig config = hosted_probe();
  config.deadline_ms = 500;
  config.cpu_seconds_max = 4;
  const auto records = run(*build({config}), {{"s", "die by busy threads"}});
  EXPECT_EQ(outcome(records[0]), "DEAD DEADLINE");
}

TEST(Isolation, FindsTheGuiltyDocumentOfAStageThatNeverSaysWhereItIs) {
  StageConfig config = hosted_probe();
  config.name = "silent";
  config.plugin = SILENT_PLUGIN;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "a"}, {"s", "die"}, {"s", "b"}, {"s", "die"}, {"s", "c"}});
  std::vector<std::string> outcomes;
  std::transform(records.begin(), records.end(), std::back_inserter(outcomes), outcome);
  EXPECT_EQ(outcomes, (std::vector<std::string>{"PROCESSED ", "DEAD CRASHED", "PROCESSED ",
                                                "DEAD CRASHED", "PROCESSED "}));
  EXPECT_EQ(result_of(records[4]).byline(), "c");
}

TEST(Isolation, ABrokenStageIsLeftOutOrMakesDeadLetters) {
  const std::vector<Submitted> documents = {
      {"s", "plain"}, {"s", "die by abort"}, {"s", "die by abort"}, {"s", "also plain"}};
  StageConfig config = hosted_probe();
  config.crashes_max = 2;
  config.on_broken = StageConfig::OnBroken::Skip;
  auto records = run(*build({config}), documents, {.threads = 1});
  EXPECT_EQ(outcome(records[2]), "DEAD CRASHED");
  EXPECT_EQ(outcome(records[3]), "PROCESSED ");
  EXPECT_EQ(result_of(records[3]).byline(), "");
  config.on_broken = StageConfig::OnBroken::DeadLetter;
  records = run(*build({config}), documents, {.threads = 1});
  EXPECT_EQ(outcome(records[3]), "DEAD BROKEN");
}

// Two of them in the window would be too many.
TEST(Isolation, ADeathLongAgoDoesNotBreakAStage) {
  StageConfig config = hosted_probe();
  config.crashes_max = 2;
  config.crash_window_ms = 400;
  config.on_broken = StageConfig::OnBroken::DeadLetter;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line,
                           {{"s", "die by abort"},
                            {"s", "slow"},
                            {"s", "slow"},
                            {"s", "slow"},
                            {"s", "die by abort"},
                            {"s", "plain"}},
                           {.threads = 1});
  EXPECT_EQ(outcome(records[4]), "DEAD CRASHED");
  EXPECT_EQ(outcome(records[5]), "PROCESSED ") << result_of(records[5]).failure().message();
}

TEST(Isolation, LastWordsAreTheLastAndFew) {
  const auto line = build({hosted_probe()});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "die with many words"}});
  const std::string message = result_of(records[0]).failure().message();
  EXPECT_NE(message.find("its last words: www"), std::string::npos) << message;
  EXPECT_LT(message.size(), 700U);
  EXPECT_TRUE(kSanitized || message.ends_with("w the end")) << message;
}

TEST(Isolation, ABrokenStageStopsTheLineWhereItShall) {
  StageConfig config = hosted_probe();
  config.crashes_max = 1;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto state = StateStore::open("", Pipeline::spaces(*line));
  std::mutex mutex;
  std::condition_variable changed;
  std::string why;
  size_t emitted = 0;
  PipelinePorts ports;
  ports.read = [given = false](size_t, size_t, std::vector<LogRecord>& out) mutable -> Status {
    if (std::exchange(given, true)) return {};
    v1::Document document;
    document.set_body("die by abort");
    v1::IntakeRecord record;
    record.set_document(document.SerializeAsString());
    out.push_back({1, false, record.SerializeAsString()});
    out.push_back({2, false, record.SerializeAsString()});
    return {};
  };
  ports.emit = [&](uint64_t, std::string) -> Status {
    const std::lock_guard lock(mutex);
    ++emitted;
    return {};
  };
  ports.failed = [&](const Error& error) {
    const std::lock_guard lock(mutex);
    why = error.message;
    changed.notify_one();
  };
  const auto pipeline = Pipeline::make(borrowed(*line), **state, {.threads = 1}, ports);
  ASSERT_TRUE(pipeline);
  (*pipeline)->start();
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !why.empty(); });
  EXPECT_EQ(
      why,
      "the stage 'probe' is broken and stops the line: its process ended 1 times within 600 s");
  EXPECT_EQ(emitted, 0U);
  lock.unlock();
  (*pipeline)->stop();
}

// What the watchdog looks at: while all documents of a batch hang, one after the other, the daemon is
// alive.
TEST(Isolation, ACallThatWaitsIsCounted) {
  StageConfig config = hosted_probe();
  config.deadline_ms = 500;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const Stage& stage = *line->stages()[0].stage;
  std::atomic<uint32_t> seen{0};
  std::jthread watcher([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); std::this_thread::yield())
      seen = std::max<uint32_t>(seen, stage.calls_outside());
  });
  run(*line, {{"s", "die by a loop"}, {"s", "die by a loop"}}, {.threads = 1});
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(stage.calls_outside(), 0U);
}

TEST(Isolation, APluginThatMayForkMayNotForkOnAndOn) {
  StageConfig config = hosted_probe();
  config.processes = 3;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records =
      run(*line, {{"s", "fork once"}, {"s", "die by many processes"}, {"s", "plain"}});
  EXPECT_EQ(outcome(records[0]), "PROCESSED ") << result_of(records[0]).failure().message();
  EXPECT_EQ(outcome(records[1]), "DEAD PROCESSES") << result_of(records[1]).failure().message();
  EXPECT_EQ(outcome(records[2]), "PROCESSED ");
}

TEST(Isolation, ProcessorTimeIsThatOfAllItsProcesses) {
  StageConfig config = hosted_probe();
  config.processes = 3;
  config.deadline_ms = 600'000;
  config.cpu_seconds_max = 1;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "compute in another process"}, {"s", "plain"}});
  EXPECT_EQ(outcome(records[0]), "DEAD CPU") << result_of(records[0]).failure().message();
  EXPECT_EQ(outcome(records[1]), "PROCESSED ");
}

TEST(Isolation, MemorySharedWithNobodyCountsToo) {
  StageConfig config = hosted_probe();
  config.memory_bytes_max = 128 << 20;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "plain"}, {"s", "die by shared memory"}});
  EXPECT_EQ(outcome(records[0]), "PROCESSED ");
  EXPECT_EQ(outcome(records[1]), "DEAD MEMORY");
}

// Runs where this program is alone in a control group that it may use (cgroup v2).
TEST(Isolation, TheKernelEnforcesTheLimitsWhereItCan) {
  StageConfig config = hosted_probe();
  config.memory_bytes_max = 64 << 20;
  config.deadline_ms = 600'000;  // an emulated machine takes its time
  const auto group = control_groups().make(config);
  ASSERT_TRUE(group) << group.error().message;
  if (!*group || !(*group)->limits_memory() || !(*group)->limits_tasks())
    GTEST_SKIP() << control_groups().report();
  const auto own = std::filesystem::path((*group)->entrance()).parent_path().parent_path();
  const auto groups_of_stages = [&] {
    std::vector<std::filesystem::path> list;
    for (const auto& entry : std::filesystem::directory_iterator(own))
      if (entry.path().filename().string().starts_with("stage-")) list.push_back(entry.path());
    return list;
  };
  const struct {
    const char* body;
    uint32_t processes;
    const char* outcome;  // a part of it
    const char* message;
  } kDeaths[] = {{"die by memory", 1, "DEAD MEMORY", "needed more memory than its limit of 64 MiB"},
                 {"die by shared memory", 4, "DEAD MEMORY", "memory than its limit of 64 MiB"},
                 {"die by threads", 1, "DEAD PROCESSES", "threads, over its limit of 256"},
                 {"die by many processes", 4, "DEAD PROCESSES", "processes, over its limit of 4"},
                 {"die by a fork bomb", 4, "DEAD ", "limit of "}};  // whichever it reaches first
  for (const auto& death : kDeaths) {
    config.processes = death.processes;
    auto line = build({config});
    ASSERT_NE(line, nullptr);
    int64_t tasks_most = 0, memory_most = 0;
    std::jthread watcher([&](const std::stop_token& stop) {
      for (; !stop.stop_requested(); usleep(1000))
        for (const auto& each : groups_of_stages()) {
          int64_t tasks = 0, memory = 0;
          std::ifstream(each / "pids.current") >> tasks;
          std::ifstream(each / "memory.current") >> memory;
          tasks_most = std::max(tasks_most, tasks);
          memory_most = std::max(memory_most, memory);
        }
    });
    const auto records = run(*line, {{"s", "plain"}, {"s", death.body}, {"s", "also plain"}});
    watcher.request_stop();
    watcher.join();
    const std::string message = result_of(records[1]).failure().message();
    EXPECT_EQ(outcome(records[0]), "PROCESSED ");
    EXPECT_NE(outcome(records[1]).find(death.outcome), std::string::npos)
        << death.body << ": " << outcome(records[1]) << " " << message;
    EXPECT_NE(message.find(death.message), std::string::npos) << death.body << ": " << message;
    EXPECT_EQ(outcome(records[2]), "PROCESSED ");
    EXPECT_GT(tasks_most, 0);
    EXPECT_LE(tasks_most, 256 * death.processes);
    EXPECT_GT(memory_most, 0);
    EXPECT_LE(memory_most, config.memory_bytes_max);
    EXPECT_GT(groups_of_stages().size(), 1U);
    line.reset();
    EXPECT_EQ(groups_of_stages().size(), 1U) << death.body;  // the test's own
  }
}

// The document alone goes, none of its changes stays, and the stage may swallow what it is told.
TEST(Isolation, WhatIsTooMuchForOneDocumentIsItsEnd) {
  const std::vector<Submitted> documents = {{"a", "plain"},
                                            {"b", "change without end"},
                                            {"c", "a byline without end"},
                                            {"d", "plain"}};
  for (StageConfig config : {probe_stage("probe"), hosted_probe()}) {
    config.deadline_ms = 600'000;
    config.attempts_max = 1;
    const auto line = build({config});
    ASSERT_NE(line, nullptr);
    const auto records = run(*line, documents, {.threads = 1});
    EXPECT_EQ(outcome(records[0]), "PROCESSED ");
    EXPECT_EQ(outcome(records[1]), "DEAD TOO_LARGE");
    EXPECT_EQ(result_of(records[1]).failure().message(),
              "changed more than 8 MiB of the stage's state");
    EXPECT_EQ(std::ranges::count(records[1].spaces(), "stage/probe"), 0);
    EXPECT_EQ(outcome(records[2]), "DEAD EXCEPTION");
    EXPECT_EQ(result_of(records[2]).failure().message(), "the host refused text");
    EXPECT_EQ(result_of(records[3]).extensions(0).json(),
              R"({"count":1,"sources":"a=1 d=1 ","carried":true})");
  }
}

// 4 MB of changes, made three times.
TEST(Isolation, WhatIsSaidAgainBecauseAnotherDiedCountsOnce) {
  const auto line = build({hosted_probe()});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "change much"},
                                   {"s", "in settle: die by abort"},
                                   {"s", "in settle: die by abort"}});
  EXPECT_EQ(outcome(records[0]), "PROCESSED ") << result_of(records[0]).failure().message();
  EXPECT_EQ(outcome(records[2]), "DEAD CRASHED");
}

StageConfig test_stage(const char* name, const char* plugin, bool own_process) {
  StageConfig config = probe_stage(name);
  config.plugin = plugin;
  config.own_process = own_process;
  return config;
}

// Later stages, and subscribers, look up spans in the text: all are of the text that there is.
TEST(Isolation, ATextThatIsReplacedTakesItsSentencesWithIt) {
  for (const bool own_process : {false, true}) {
    const auto line = build({test_stage("shortening", SHORTENING_PLUGIN, own_process),
                             test_stage("counting", COUNTING_PLUGIN, own_process)});
    ASSERT_NE(line, nullptr);
    const auto records = run(*line, {{"s", "One is short. Two is behind it. Three too."}});
    const v1::Result result = result_of(records[0]);
    EXPECT_EQ(outcome(records[0]), "PROCESSED ") << result.failure().message();
    EXPECT_EQ(result.text(), "One is short.");
    EXPECT_EQ(result.extensions(0).json(), "1");
    ASSERT_EQ(result.sentences_size(), 1);
    EXPECT_EQ(result.sentences(0).end(), result.text().size());
  }
}

TEST(Isolation, ATextIsReplacedOnlyByWhoSaysSo) {
  for (const bool own_process : {false, true}) {
    const auto line = build({test_stage("counting", COUNTING_PLUGIN, own_process)});
    ASSERT_NE(line, nullptr);
    const auto records = run(*line, {{"s", "undeclared"}});
    EXPECT_EQ(outcome(records[0]), "DEAD EXCEPTION");
    EXPECT_TRUE(result_of(records[0]).failure().message().starts_with("the host refused text, "));
    EXPECT_EQ(result_of(records[0]).text(), "undeclared");
  }
}

TEST(Isolation, LargeDocumentsAnswersAndStateGoThrough) {
  const std::string large(10 << 20, 'l');  // its carry is as long
  const std::vector<Submitted> documents = {{"s", "fill"}, {"s", large}, {"s", "plain"}};
  const auto inside = run(*build({probe_stage("probe")}), documents, {.threads = 1});
  const auto hosted = run(*build({hosted_probe()}), documents, {.threads = 1});
  ASSERT_EQ(hosted.size(), 3U);
  for (size_t i = 0; i < inside.size(); ++i)
    EXPECT_TRUE(hosted[i].SerializeAsString() == inside[i].SerializeAsString())
        << i << ": " << result_of(hosted[i]).failure().message();
  EXPECT_TRUE(result_of(hosted[1]).extensions(0).json().ends_with("\"carried\":true}"));
}

TEST(Isolation, AMillionQuestionsAndAReachForTheDaemonHurtNobody) {
  StageConfig config = hosted_probe();
  config.deadline_ms = 600'000;  // a million takes seconds
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"s", "ask for many"}, {"s", "reach out"}, {"s", "plain"}});
  for (const auto& record : records) EXPECT_EQ(outcome(record), "PROCESSED ");
}

// And inside the daemon it would.
TEST(Isolation, AStageFindsNothingOfTheDaemons) {
  ASSERT_EQ(setenv("WIREMILL_TEST", "1", 1), 0);
  StageConfig config = hosted_probe();
  config.deadline_ms = 60'000;
  const auto hosted = run(*build({config}), {{"s", "look around"}});
  EXPECT_EQ(outcome(hosted[0]), "PROCESSED ") << result_of(hosted[0]).failure().message();
  const auto inside = run(*build({probe_stage("probe")}), {{"s", "look around"}});
  EXPECT_NE(result_of(inside[0]).failure().message().find("an environment"), std::string::npos);
}

// All that the daemon reads of a stage's process, as the stage would have it.
TEST(Isolation, WhatIsSharedMayBeWrittenOver) {
  std::vector<Submitted> documents;
  for (const char with : std::string("0fabcdeghi"))
    for (const std::string& body : {std::string("plain"), std::string("die by scribbling ") + with,
                                    std::string("plain")})
      documents.push_back({"s", body});
  StageConfig config = hosted_probe();
  config.deadline_ms = 2000;
  config.crashes_max = 1000;
  const auto line = build({config});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, documents, {.threads = 2});
  for (size_t i = 0; i < records.size(); ++i)
    EXPECT_EQ(outcome(records[i]), i % 3 == 1 ? "DEAD CRASHED" : "PROCESSED ")
        << documents[i].body << ": " << result_of(records[i]).failure().message();
}

TEST(Isolation, ThePluginIsNeverMappedIntoTheDaemon) {
  StageConfig config = hosted_probe();
  config.plugin = SILENT_PLUGIN;
  const auto line = build({config});
  std::ifstream file("/proc/self/maps");
  const std::string maps{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(maps.find("silent.so"), std::string::npos);
  EXPECT_NE(maps.find("libc.so"), std::string::npos);
}

TEST(Isolation, WhatCannotStartIsAnErrorOfTheConfiguration) {
  StageConfig refusing = hosted_probe();
  refusing.options.push_back({"refuse", {.where = "t:1:1", .scalar = "no reason", .list = {}}});
  StageConfig unknown = hosted_probe();
  unknown.options.push_back({"no_such", {.where = "t:2:2", .scalar = "1", .list = {}}});
  StageConfig foreign = hosted_probe();
  foreign.plugin = FOREIGN_LIBRARY;
  StageConfig missing = hosted_probe();
  missing.plugin = "/nowhere/missing.so";
  const auto line = Line::build({refusing, unknown, foreign, missing}, {}, {});
  ASSERT_FALSE(line);
  ASSERT_EQ(line.error().size(), 4U);
  EXPECT_EQ(line.error()[0].message, "stage 'probe': no reason");
  EXPECT_NE(line.error()[1].message.find("unknown option 'no_such'"), std::string::npos);
  EXPECT_NE(line.error()[2].message.find("no note of Wiremill's"), std::string::npos);
  EXPECT_NE(line.error()[3].message.find("does not exist"), std::string::npos);
}

}  // namespace
}  // namespace wiremill
