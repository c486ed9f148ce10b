#include "daemon/host/wakes_here.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <utility>

namespace wiremill {
namespace {

cpu_set_t cores_of(pid_t process) {
  cpu_set_t cores;
  EXPECT_EQ(sched_getaffinity(process, sizeof cores, &cores), 0);
  return cores;
}

class WakesHereTest : public testing::Test {
 protected:
  void SetUp() override {
    process_ = fork();
    if (process_ == 0)
      for (;;) pause();
    ASSERT_GT(process_, 0);
  }
  void TearDown() override {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  pid_t process_ = -1;
};

TEST_F(WakesHereTest, ThisCoreWhileItLivesAndThoseOfThisThreadAfterwards) {
  const cpu_set_t own = cores_of(0);
  cpu_set_t first;
  CPU_ZERO(&first);
  size_t core = 0;
  while (!CPU_ISSET(core, &own)) ++core;
  CPU_SET(core, &first);
  ASSERT_EQ(sched_setaffinity(0, sizeof first, &first), 0);
  std::optional<WakesHere> place(std::in_place, process_);
  const cpu_set_t held = cores_of(process_);
  EXPECT_TRUE(CPU_EQUAL(&held, &first));

  ASSERT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
  place.reset();
  const cpu_set_t narrow = cores_of(process_);
  EXPECT_TRUE(CPU_EQUAL(&narrow, &first)) << "as this thread was when it began";

  { const WakesHere again(process_); }
  const cpu_set_t after = cores_of(process_);
  EXPECT_TRUE(CPU_EQUAL(&after, &own));
}

}  // namespace
}  // namespace wiremill
