// Each death is a real one, of a forked child.
#include "daemon/pipeline/stage_marker.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WM_SANITIZED 1
#endif
#endif
#ifndef WM_SANITIZED
#define WM_SANITIZED 0
#endif

namespace wiremill {
namespace {

// How a process ended: a signal's number, or 1000 and the exit code.
constexpr int kExited = 1000;

// What exit() destroys last of all.
bool is_child = false;
struct LastOfAll {
  ~LastOfAll() {
    if (is_child) _exit(97);
  }
} last_of_all;

class StageMarkerTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "stage_marker_" + test->name();
    std::filesystem::remove(path_);
  }

  // Runs `work` in a child, on a thread of its own, with a marker of two workers.
  int run(const std::function<void(StageMarker&)>& work) {
    const pid_t child = fork();
    if (child == 0) {
      is_child = true;
      const rlimit no_core = {0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      if (!freopen("/dev/null", "w", stderr)) _exit(98);  // what sanitizers say of it
      auto marker = StageMarker::open(path_, 2);
      if (!marker) _exit(99);
      std::thread([&] { work(**marker); }).join();
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : kExited + WEXITSTATUS(status);
  }

  std::vector<Suspect> suspects() {
    auto marker = StageMarker::open(path_, 2);
    EXPECT_TRUE(marker.has_value());
    return marker ? (*marker)->suspects() : std::vector<Suspect>{};
  }

  std::string path_;
};

using Suspects = std::vector<Suspect>;

void expect_death(int ended, int signal) {
  if (WM_SANITIZED != 0)
    EXPECT_NE(ended, kExited) << "a sanitizer turns some signals into exit codes";
  else
    EXPECT_EQ(ended, signal);
}

__attribute__((noinline)) int overflow(int depth) {  // NOLINT(misc-no-recursion)
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

void write_wildly() {
  volatile uintptr_t nowhere = 8;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}

TEST_F(StageMarkerTest, AWildPointerAccusesItsBatch) {
  expect_death(run([](StageMarker& marker) {
                 marker.enter(0, "clean", 5, 7, false);
                 marker.leave(0);
                 marker.enter(0, "language", 5, 7, false);
                 write_wildly();
               }),
               SIGSEGV);
  EXPECT_EQ(suspects(), (Suspects{{5, "language", 0, "SIGSEGV"},
                                  {6, "language", 0, "SIGSEGV"},
                                  {7, "language", 0, "SIGSEGV"}}));
}

TEST_F(StageMarkerTest, AFullStackIsSeen) {
  if (WM_SANITIZED != 0)
    GTEST_SKIP() << "the stack may end in a sanitizer's own code, where signals are blocked";
  expect_death(run([](StageMarker& marker) {
                 marker.enter(1, "deep", 3, 3, false);
                 overflow(0);
               }),
               SIGSEGV);
  EXPECT_EQ(suspects(), (Suspects{{3, "deep", 0, "SIGSEGV"}}));
}

TEST_F(StageMarkerTest, AbortAndExitAreSeen) {
  expect_death(run([](StageMarker& marker) {
                 marker.enter(0, "a", 1, 1, false);
                 std::abort();
               }),
               SIGABRT);
  EXPECT_EQ(suspects(), (Suspects{{1, "a", 0, "SIGABRT"}}));
  EXPECT_EQ(run([](StageMarker& marker) {
              marker.enter(0, "b", 2, 2, false);
              std::exit(3);
            }),
            kExited + 3);
  EXPECT_EQ(suspects(), (Suspects{{1, "a", 0, "SIGABRT"}, {2, "b", 0, "exit()"}}));
}

TEST_F(StageMarkerTest, AWorkerAccusesOnlyItself) {
  run([](StageMarker& marker) {
    std::thread([&] { marker.enter(1, "other", 9, 9, false); }).join();
    marker.enter(0, "guilty", 4, 4, false);
    std::abort();
  });
  EXPECT_EQ(suspects(), (Suspects{{4, "guilty", 0, "SIGABRT"}}));
}

TEST_F(StageMarkerTest, AThreadThatIsNoWorkerAccusesAllThatAreInside) {
  run([](StageMarker& marker) {
    marker.enter(0, "a", 4, 4, false);
    std::thread([&] {
      marker.enter(1, "b", 9, 9, false);
      std::thread([] { std::abort(); }).join();
    }).join();
  });
  EXPECT_EQ(suspects(), (Suspects{{4, "a", 0, "SIGABRT"}, {9, "b", 0, "SIGABRT"}}));
}

TEST_F(StageMarkerTest, OutsideOfAStageNobodyIsAccused) {
  run([](StageMarker& marker) {
    marker.enter(0, "a", 4, 4, false);
    marker.leave(0);
    std::abort();
  });
  EXPECT_EQ(suspects(), Suspects{});
}

TEST_F(StageMarkerTest, WhatAnotherProcessSendsAccusesNobody) {
  for (const int signal : {SIGKILL, SIGABRT, SIGSEGV, SIGTERM}) {
    run([&](StageMarker& marker) {
      marker.enter(0, "slow", 4, 6, true);
      const pid_t self = getpid();
      if (const pid_t other = fork(); other == 0) {
        kill(self, signal);
        _exit(0);
      }
      for (;;) pause();
    });
    EXPECT_EQ(suspects(), Suspects{}) << signal;
  }
}

TEST_F(StageMarkerTest, DeathsAloneAreCountedUntilCleared) {
  const auto die = [&](uint64_t sequence, const std::string& stage, bool alone) {
    run([&](StageMarker& marker) {
      marker.enter(0, stage, sequence, sequence, alone);
      std::abort();
    });
  };
  die(4, "a", false);
  EXPECT_EQ(suspects(), (Suspects{{4, "a", 0, "SIGABRT"}}));
  die(4, "a", true);
  die(4, "a", true);
  EXPECT_EQ(suspects(), (Suspects{{4, "a", 2, "SIGABRT"}}));
  EXPECT_EQ(suspects(), (Suspects{{4, "a", 2, "SIGABRT"}})) << "a start alone counts nothing";
  die(4, "b", true);
  EXPECT_EQ(suspects(), (Suspects{{4, "b", 1, "SIGABRT"}})) << "another stage counts for itself";
  die(6, "a", false);
  run([](StageMarker& marker) { marker.clear_up_to(4); });
  EXPECT_EQ(suspects(), (Suspects{{6, "a", 0, "SIGABRT"}}));
  run([](StageMarker& marker) { marker.clear_up_to(100); });
  EXPECT_EQ(suspects(), Suspects{});
}

TEST_F(StageMarkerTest, AnotherFileIsBegunAnew) {
  for (const std::string& content : {std::string("short"), std::string(5000, 'x')}) {
    std::ofstream(path_) << content;
    EXPECT_EQ(suspects(), Suspects{});
  }
  std::filesystem::resize_file(path_, 40);
  EXPECT_EQ(suspects(), Suspects{});
  EXPECT_EQ(StageMarker::open("/nonexistent/stages", 1).error().code, ErrorCode::Io);
}

}  // namespace
}  // namespace wiremill
