// Control groups, seen in folders of plain files that stand for the kernel's: what is written, and when
// they are left alone. What the kernel makes of it isolation_test shows, where there are any.
#include "daemon/host/control_group.hpp"

#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/host/process.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;

// A machine with one mount of cgroup v2, and this process alone in its group /unit.
class ControlGroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    put("proc/self/cgroup", "12:pids:/elsewhere\n0::/unit\n");
    put("proc/self/mountinfo",
        "25 1 0:23 / /proc rw shared:1 - proc proc rw\n"
        "30 25 0:26 / /groups rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("groups/unit/cgroup.controllers", "cpu io memory pids\n");
    put("groups/unit/cgroup.procs", std::to_string(getpid()) + "\n");
    put("groups/unit/cgroup.subtree_control", "");
    limits_.name = "ner";
    limits_.memory_bytes_max = 64 << 20;
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string get(const std::string& file) const {
    std::ifstream in(root_ / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Nothing was changed; the end of the report.
  std::string why_not() const {
    ControlGroups groups(root_);
    const auto none = groups.make(limits_);
    EXPECT_TRUE(none && !*none);
    EXPECT_FALSE(fs::exists(unit_ / "daemon"));
    EXPECT_EQ(get("groups/unit/cgroup.subtree_control"), "");
    const std::string watched =
        "stages in processes of their own: memory_bytes_max, processes and threads are looked at "
        "every 10 ms, not enforced by the kernel: ";
    EXPECT_TRUE(groups.report().starts_with(watched)) << groups.report();
    return groups.report().substr(std::min(watched.size(), groups.report().size()));
  }

  const fs::path root_ = fs::path(testing::TempDir()) / fmt::format("groups-{}", getpid());
  const fs::path unit_ = root_ / "groups/unit";
  StageConfig limits_;
};

TEST_F(ControlGroupsTest, AChildIsLimitedInAGroupBesideTheDaemons) {
  limits_.processes = 3;
  ControlGroups groups(root_);
  EXPECT_EQ(
      groups.report(),
      fmt::format("stages in processes of their own: memory_bytes_max and threads are enforced "
                  "by the kernel, in {}; processes are looked at every 10 ms",
                  unit_.string()));
  EXPECT_EQ(get("groups/unit/daemon/cgroup.procs"), std::to_string(getpid()));
  EXPECT_EQ(get("groups/unit/cgroup.subtree_control"), "+memory +pids");
  {
    const auto made = groups.make(limits_);
    ASSERT_TRUE(made && *made);
    EXPECT_TRUE((*made)->limits_memory());
    EXPECT_TRUE((*made)->limits_tasks());
    EXPECT_EQ((*made)->entrance(), (unit_ / "stage-ner-1/cgroup.procs").string());
    EXPECT_EQ(get("groups/unit/stage-ner-1/memory.max"), "67108864");
    EXPECT_EQ(get("groups/unit/stage-ner-1/memory.oom.group"), "1");
    EXPECT_FALSE(
        fs::exists(unit_ / "stage-ner-1/memory.swap.max"));  // the kernel does not count it
    EXPECT_EQ(get("groups/unit/stage-ner-1/pids.max"), "768");
    put("groups/unit/stage-ner-1/cgroup.procs", "11\n12\n");
    EXPECT_EQ((*made)->processes(), (std::vector<pid_t>{11, 12}));
    // Where the kernel's files go with their folder, these do not.
    for (const auto& file : fs::directory_iterator(unit_ / "stage-ner-1")) fs::remove(file);
  }
  EXPECT_FALSE(fs::exists(unit_ / "stage-ner-1"));
}

TEST_F(ControlGroupsTest, EveryChildHasAGroupOfItsOwn) {
  ControlGroups groups(root_);
  put("groups/unit/stage-ner-1/cgroup.procs", "7\n");  // somebody's since then
  const auto first = groups.make(limits_), second = groups.make(limits_);
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ((*first)->entrance(), (unit_ / "stage-ner-2/cgroup.procs").string());
  EXPECT_EQ((*second)->entrance(), (unit_ / "stage-ner-3/cgroup.procs").string());
}

TEST_F(ControlGroupsTest, WhatTheKernelDidIsToldApart) {
  using MemoryEnd = ControlGroup::MemoryEnd;
  ControlGroups groups(root_);
  const auto made = groups.make(limits_);
  ASSERT_TRUE(made && *made);
  const ControlGroup& group = **made;
  EXPECT_EQ(group.memory_end(), MemoryEnd::None);
  EXPECT_EQ(group.tasks_refused(), 0U);
  const auto events = [&](const std::string& text) {
    put("groups/unit/stage-ner-1/memory.events", text);
  };
  events("low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\n");  // an allocation that was refused
  EXPECT_EQ(group.memory_end(), MemoryEnd::None);
  events("low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 1\n");
  EXPECT_EQ(group.memory_end(), MemoryEnd::OverLimit);
  events("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n");  // the machine's memory, or a group's above
  EXPECT_EQ(group.memory_end(), MemoryEnd::Elsewhere);
  for (const char* const damaged :
       {"", "oom_kill", "oom_kill x\n", "\n\n", "oom_kill -\noom 1\n"}) {
    events(damaged);
    EXPECT_EQ(group.memory_end(), MemoryEnd::None) << damaged;
  }
  put("groups/unit/stage-ner-1/pids.events", "max 41\n");
  EXPECT_EQ(group.tasks_refused(), 41U);
}

TEST_F(ControlGroupsTest, OneControllerIsBetterThanNone) {
  put("groups/unit/cgroup.controllers", "cpuset pids\n");
  ControlGroups groups(root_);
  EXPECT_EQ(
      groups.report(),
      fmt::format("stages in processes of their own: threads are enforced by the kernel, in {}; "
                  "memory_bytes_max and processes are looked at every 10 ms, not enforced by "
                  "the kernel, for it has no controller memory",
                  unit_.string()));
  EXPECT_EQ(get("groups/unit/cgroup.subtree_control"), "+pids");
  const auto made = groups.make(limits_);
  ASSERT_TRUE(made && *made);
  EXPECT_FALSE((*made)->limits_memory());
  EXPECT_FALSE(fs::exists(unit_ / "stage-ner-1/memory.max"));
  EXPECT_EQ(get("groups/unit/stage-ner-1/pids.max"), "256");
}

TEST_F(ControlGroupsTest, WhatADeadProcessLeftIsCleared) {
  fs::create_directories(unit_ / "stage-ner-1");
  fs::create_directories(unit_ / "stage-old-77");
  put("groups/unit/neighbour/cgroup.procs", "");
  fs::create_directories(unit_ / "daemon");
  ControlGroups groups(root_);
  EXPECT_FALSE(fs::exists(unit_ / "stage-ner-1"));
  EXPECT_FALSE(fs::exists(unit_ / "stage-old-77"));
  EXPECT_TRUE(fs::exists(unit_ / "neighbour"));
}

TEST_F(ControlGroupsTest, AGroupThatCannotBeMadeIsAnError) {
  ControlGroups groups(root_);
  fs::rename(unit_, root_ / "gone");
  const auto made = groups.make(limits_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::Io);
  EXPECT_NE(made.error().message.find("stage-ner-1"), std::string::npos) << made.error().message;
}

TEST_F(ControlGroupsTest, TheGroupOfOthersStaysAsItIs) {
  put("groups/unit/cgroup.procs", fmt::format("{}\n{}\n", getppid(), getpid()));
  EXPECT_EQ(why_not(), "other processes are in the control group " + unit_.string());
  put("groups/unit/cgroup.procs", "");
  EXPECT_EQ(why_not(), "other processes are in the control group " + unit_.string());
}

TEST_F(ControlGroupsTest, WhatSystemdHasNotDelegatedIsItsOwn) {
  fs::create_directories(root_ / "run/systemd/system");
  EXPECT_EQ(why_not(), "systemd has not delegated the control group " + unit_.string());
  if (setxattr(unit_.c_str(), "user.delegate", "1", 1, 0) != 0)
    GTEST_SKIP() << "the folder for tests takes no extended attributes";
  ControlGroups groups(root_);
  EXPECT_EQ(get("groups/unit/cgroup.subtree_control"), "+memory +pids");
}

TEST_F(ControlGroupsTest, WithoutControllersThereIsNothingToDo) {
  put("groups/unit/cgroup.controllers", "cpu io hugetlb memory_x\n");
  EXPECT_EQ(why_not(),
            fmt::format("the control group {} has no controllers memory and pids", unit_.string()));
  fs::remove(unit_ / "cgroup.controllers");
  EXPECT_EQ(why_not(),
            fmt::format("the control group {} has no controllers memory and pids", unit_.string()));
}

TEST_F(ControlGroupsTest, AFolderThatCannotBeWrittenIsLeftAlone) {
  fs::rename(unit_ / "cgroup.procs", root_ / "procs");
  EXPECT_EQ(why_not(), fmt::format("the control group {} cannot be written", unit_.string()));
  fs::rename(root_ / "procs", unit_ / "cgroup.procs");
  if (geteuid() == 0) return;  // may write everywhere
  fs::permissions(unit_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(why_not(), fmt::format("the control group {} cannot be written", unit_.string()));
  fs::permissions(unit_, fs::perms::owner_all);
}

TEST_F(ControlGroupsTest, AControllerThatCannotBeEnabledIsGivenUp) {
  fs::remove(unit_ / "cgroup.subtree_control");
  fs::create_directory(unit_ / "cgroup.subtree_control");  // may be "written", and cannot be opened
  put("groups/unit/daemon/cgroup.procs", "");
  put("groups/unit/cgroup.procs", std::to_string(getpid()) + "\n");
  ControlGroups groups(root_);
  EXPECT_NE(groups.report().find("not enforced by the kernel: cannot open"), std::string::npos)
      << groups.report();
  const auto none = groups.make(limits_);
  EXPECT_TRUE(none && !*none);
  EXPECT_EQ(get("groups/unit/cgroup.procs"), std::to_string(getpid()));  // it went back
}

TEST_F(ControlGroupsTest, PlacesThatAreNoneAreRefused) {
  const std::string kNone = "there is no control group (cgroup v2) here";
  for (const char* const groups : {"", "0::", "0:", "garbage", "4:memory:/unit\n", "0::/../unit\n",
                                   "0:name=systemd:/unit\n"}) {
    put("proc/self/cgroup", groups);
    EXPECT_EQ(why_not(), kNone) << groups;
  }
  fs::remove(root_ / "proc/self/cgroup");
  EXPECT_EQ(why_not(), kNone);
  put("proc/self/cgroup", "0::/unit\n");
  for (const char* const mounts :
       {"", "garbage", " - cgroup2 ", "30 25 0:26 / /groups rw - cgroup cgroup rw\n",
        "30 25 0:26 /un /groups rw - cgroup2 cgroup2 rw\n",
        "30 25 0:26 /unit/below /groups rw - cgroup2 cgroup2 rw\n"}) {
    put("proc/self/mountinfo", mounts);
    EXPECT_EQ(why_not(), kNone) << mounts;
  }
}

TEST_F(ControlGroupsTest, AMountMayShowAPartAndHaveASpaceInItsName) {
  put("proc/self/cgroup", "0::/container/unit\n");
  put("proc/self/mountinfo",
      "30 25 0:26 /other /groups rw - cgroup2 cgroup2 rw\n"
      "31 25 0:26 /container /my\\040groups\\ rw - cgroup2 cgroup2 rw\n");
  fs::rename(root_ / "groups", root_ / "my groups\\");
  ControlGroups groups(root_);
  EXPECT_EQ(get("my groups\\/unit/cgroup.subtree_control"), "+memory +pids");
}

TEST_F(ControlGroupsTest, TheProcessMayBeInTheMountsFirstGroup) {
  put("proc/self/cgroup", "0::/\n");
  fs::rename(unit_, root_ / "unit");
  fs::remove(root_ / "groups");
  fs::rename(root_ / "unit", root_ / "groups");
  ControlGroups groups(root_);
  const auto made = groups.make(limits_);
  ASSERT_TRUE(made && *made);
  EXPECT_EQ((*made)->entrance(), (root_ / "groups/stage-ner-1/cgroup.procs").string());
}

// A process that runs is not asked, one that has ended says why in the kernel's words.
TEST_F(ControlGroupsTest, AProcessThatTheKernelEndedSaysSo) {
  ControlGroups groups(root_);
  auto made = groups.make(limits_);
  ASSERT_TRUE(made && *made);
  auto process = Process::start({{"/bin/sleep", "1000"}, {}, {}}, std::move(*made));
  ASSERT_TRUE(process);
  process->kill();
  ASSERT_EQ(process->wait({}, 60'000'000'000), Process::Wait::Ended);
  EXPECT_EQ(process->cause(), "was killed by SIGKILL");
  put("groups/unit/stage-ner-1/memory.events", "oom 1\noom_kill 1\n");
  EXPECT_EQ(process->cause(), "needed more memory than its limit of 64 MiB");
  put("groups/unit/stage-ner-1/memory.events", "oom 0\noom_kill 1\n");
  EXPECT_EQ(process->cause(),
            "was killed by SIGKILL: the machine or a control group above had no memory left");
}

}  // namespace
}  // namespace wiremill
