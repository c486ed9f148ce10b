// See sandbox.hpp. The list is what glibc, the C++ library and the sanitizers need to compute, found by
// running the built-in stages under it; everything else answers EPERM, and clone3 ENOSYS, so that
// glibc falls back to clone, whose flags a filter can see.
#include "daemon/host/sandbox.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>

namespace wiremill {
namespace {

constexpr rlim_t kFileBytesMax = 64 << 20;

constexpr int kAllowed[] = {SCMP_SYS(access),
                            SCMP_SYS(arch_prctl),
                            SCMP_SYS(brk),
                            SCMP_SYS(clock_getres),
                            SCMP_SYS(clock_gettime),
                            SCMP_SYS(clock_nanosleep),
                            SCMP_SYS(close),
                            SCMP_SYS(close_range),
                            SCMP_SYS(dup),
                            SCMP_SYS(epoll_create1),
                            SCMP_SYS(epoll_ctl),
                            SCMP_SYS(epoll_wait),
                            SCMP_SYS(eventfd2),
                            SCMP_SYS(exit),
                            SCMP_SYS(exit_group),
                            SCMP_SYS(faccessat),
                            SCMP_SYS(faccessat2),
                            SCMP_SYS(fadvise64),
                            SCMP_SYS(fstat),
                            SCMP_SYS(fstatfs),
                            SCMP_SYS(futex),
                            SCMP_SYS(getcpu),
                            SCMP_SYS(getcwd),
                            SCMP_SYS(getdents64),
                            SCMP_SYS(getegid),
                            SCMP_SYS(geteuid),
                            SCMP_SYS(getgid),
                            SCMP_SYS(getpid),
                            SCMP_SYS(getppid),
                            SCMP_SYS(getpriority),
                            SCMP_SYS(getrandom),
                            SCMP_SYS(getrlimit),
                            SCMP_SYS(getrusage),
                            SCMP_SYS(gettid),
                            SCMP_SYS(gettimeofday),
                            SCMP_SYS(getuid),
                            SCMP_SYS(lseek),
                            SCMP_SYS(lstat),
                            SCMP_SYS(madvise),
                            SCMP_SYS(membarrier),
                            SCMP_SYS(mincore),
                            SCMP_SYS(mlock),
                            SCMP_SYS(mmap),
                            SCMP_SYS(mprotect),
                            SCMP_SYS(mremap),
                            SCMP_SYS(msync),
                            SCMP_SYS(munlock),
                            SCMP_SYS(munmap),
                            SCMP_SYS(nanosleep),
                            SCMP_SYS(newfstatat),
                            SCMP_SYS(pipe2),
                            SCMP_SYS(poll),
                            SCMP_SYS(ppoll),
                            SCMP_SYS(pread64),
                            SCMP_SYS(preadv),
                            SCMP_SYS(pselect6),
                            SCMP_SYS(read),
                            SCMP_SYS(readahead),
                            SCMP_SYS(readlink),
                            SCMP_SYS(readlinkat),
                            SCMP_SYS(readv),
                            SCMP_SYS(restart_syscall),
                            SCMP_SYS(rseq),
                            SCMP_SYS(rt_sigaction),
                            SCMP_SYS(rt_sigpending),
                            SCMP_SYS(rt_sigprocmask),
                            SCMP_SYS(rt_sigreturn),
                            SCMP_SYS(rt_sigsuspend),
                            SCMP_SYS(rt_sigtimedwait),
                            SCMP_SYS(sched_getaffinity),
                            SCMP_SYS(sched_getparam),
                            SCMP_SYS(sched_getscheduler),
                            SCMP_SYS(sched_yield),
                            SCMP_SYS(select),
                            SCMP_SYS(set_robust_list),
                            SCMP_SYS(set_tid_address),
                            SCMP_SYS(sigaltstack),
                            SCMP_SYS(stat),
                            SCMP_SYS(statfs),
                            SCMP_SYS(statx),
                            SCMP_SYS(sysinfo),
                            SCMP_SYS(time),
                            SCMP_SYS(timer_create),
                            SCMP_SYS(timer_delete),
                            SCMP_SYS(timer_settime),
                            SCMP_SYS(times),
                            SCMP_SYS(uname),
                            SCMP_SYS(write),
                            SCMP_SYS(writev)};

struct Release {
  void operator()(scmp_filter_ctx filter) const { seccomp_release(filter); }
};

// Conditions on the argument `index` of a call.
constexpr scmp_arg_cmp masked(unsigned index, uint64_t mask, uint64_t value) {
  return {index, SCMP_CMP_MASKED_EQ, mask, value};
}
constexpr scmp_arg_cmp equal(unsigned index, uint64_t value) {
  return {index, SCMP_CMP_EQ, value, 0};
}

// What a child would not be counted with.
constexpr uint64_t kOutOfSight = CLONE_PARENT | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// A filter and the rules added to it, up to the first that failed.
class Filter {
 public:
  explicit Filter(uint32_t otherwise) : filter_(seccomp_init(otherwise)) {}

  void add(uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    if (filter_ != nullptr && error_ == 0)
      error_ = seccomp_rule_add_array(filter_.get(), action, call,
                                      static_cast<unsigned>(conditions.size()), conditions.begin());
  }
  Status load() {
    if (filter_ == nullptr) return fail(ErrorCode::Io, "cannot make the filter of system calls");
    if (error_ == 0) error_ = seccomp_load(filter_.get());
    if (error_ == 0) return {};
    return fail_errno(-error_, "cannot filter the system calls of", "the stage's process");
  }

 private:
  const std::unique_ptr<void, Release> filter_;
  int error_ = 0;
};

void add_rules(Filter& filter, bool may_fork) {
  const auto add = [&](uint32_t action, int call,
                       std::initializer_list<scmp_arg_cmp> conditions = {}) {
    filter.add(action, call, conditions);
  };
  for (const int call : kAllowed) add(SCMP_ACT_ALLOW, call);
  for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat)}) add(SCMP_ACT_KILL_PROCESS, call);
  if (may_fork) {
    for (const int call : {SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(waitid)})
      add(SCMP_ACT_ALLOW, call);
    add(SCMP_ACT_ALLOW, SCMP_SYS(clone), {masked(0, kOutOfSight, 0)});
  } else {
    for (const int call : {SCMP_SYS(fork), SCMP_SYS(vfork)}) add(SCMP_ACT_KILL_PROCESS, call);
    add(SCMP_ACT_ALLOW, SCMP_SYS(clone), {masked(0, CLONE_THREAD, CLONE_THREAD)});
    add(SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), {masked(0, CLONE_THREAD, 0)});
  }
  add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  add(SCMP_ACT_ALLOW, SCMP_SYS(open), {masked(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)});
  add(SCMP_ACT_ALLOW, SCMP_SYS(openat), {masked(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)});
  // Signals to itself alone; nothing that has the kernel send one elsewhere (F_SETOWN).
  add(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), {equal(0, static_cast<uint64_t>(getpid()))});
  for (const int command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL})
    add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {equal(1, static_cast<uint64_t>(command))});
  for (const unsigned long request : {TCGETS, FIONREAD})
    add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {equal(1, request)});
  // One's own limits, read only.
  add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), {equal(2, 0)});
  add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), {equal(0, PR_SET_NAME)});
  add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), {equal(0, PR_GET_NAME)});
  add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), {equal(0, PR_SET_VMA)});
}

Status enter_limits() {
  const rlimit no_core = {0, 0}, file = {kFileBytesMax, kFileBytesMax};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || setrlimit(RLIMIT_FSIZE, &file) != 0)
    return fail_errno(errno, "cannot limit", "the stage's process");
  std::signal(SIGXFSZ, SIG_IGN);  // NOLINT(bugprone-signal-handler)
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_errno(errno, "cannot take privileges from", "the stage's process");
  return {};
}

}  // namespace

Status enter_program_sandbox(bool may_fork) {
  WM_TRY(enter_limits());
  Filter filter(SCMP_ACT_ALLOW);
  for (const int call : {SCMP_SYS(setsid), SCMP_SYS(setpgid)})
    filter.add(SCMP_ACT_ERRNO(EPERM), call);
  if (!may_fork) {
    for (const int call : {SCMP_SYS(fork), SCMP_SYS(vfork)})
      filter.add(SCMP_ACT_ERRNO(EPERM), call);
    filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), {masked(0, CLONE_THREAD, 0)});
    filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  }
  return filter.load();
}

Status enter_sandbox(bool may_fork) {
  WM_TRY(enter_limits());
  Filter filter(SCMP_ACT_ERRNO(EPERM));
  add_rules(filter, may_fork);
  return filter.load();
}

}  // namespace wiremill
