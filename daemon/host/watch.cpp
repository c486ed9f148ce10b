#include "daemon/host/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "daemon/host/proc_files.hpp"

namespace wiremill {
namespace {

constexpr int64_t kMillisecond = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kLookEveryNs = 10 * kMillisecond;  // at the memory and the processor time
constexpr uint32_t kTalksMax = 8;  // about one document, until it is looked at between them too

}  // namespace

Watch::Watch(Process& process, const StageConfig& limits, size_t documents, int64_t given_bytes,
             const volatile uint32_t* cancelled, std::function<Place()> place)
    : process_(process),
      limits_(limits),
      documents_(documents),
      given_bytes_(given_bytes),
      cancelled_(cancelled),
      place_(std::move(place)),
      began_ns_(monotonic_ns()),
      used_before_call_(use()),
      tasks_refused_before_(tasks_refused()),
      used_before_(used_before_call_),
      used_(used_before_call_) {}

Watch::Used Watch::use() {
  if (limits_.processes == 1) return {process_.cpu_ns(), process_.waited_for_core_ns()};
  int64_t cpu_ns = 0;
  if (limits_.cpu_seconds_max > 0)
    for (const pid_t member : process_.group()) cpu_ns += cpu_ns_with_children(member);
  return {cpu_ns, 0};
}

std::optional<Death> Watch::wait(std::span<const pollfd> descriptors) {
  for (;;) {
    look();
    const int64_t left_ns = std::min(due_ns() - monotonic_ns(), kLookEveryNs);
    switch (process_.wait(descriptors, left_ns)) {
      case Process::Wait::Ready:
        // What it says may have waited for this thread, so it is heard although it may be late; one
        // that talks on and on about a document has no such excuse.
        look();
        if (++talks_ < kTalksMax || monotonic_ns() - looked_ns_ < kLookEveryNs) return std::nullopt;
        return over_limit();
      case Process::Wait::Ended: return ended();
      case Process::Wait::TimedOut: break;
    }
    look();
    if (auto death = over_limit()) return death;
  }
}

std::optional<Death> Watch::over_limit() {
  looked_ns_ = monotonic_ns();
  used_ = use();
  if (auto death = too_much()) return death;
  if (cancelled_at_ns_ == 0 && is_set(cancelled_)) cancelled_at_ns_ = looked_ns_;
  if (cancelled_at_ns_ > 0 && looked_ns_ - cancelled_at_ns_ > kCancelGraceMs * kMillisecond)
    return stop("TIMEOUT",
                fmt::format("went on for {} ms after it was told to stop", kCancelGraceMs));
  if (monotonic_ns() >= due_ns())
    return stop("DEADLINE", fmt::format("ran for more than {} ms", limits_.deadline_ms));
  const auto share = static_cast<int64_t>(at_.document < documents_ ? 1 : documents_);
  if (limits_.cpu_seconds_max > 0 &&
      used_.cpu_ns - used_before_.cpu_ns > limits_.cpu_seconds_max * kSecond * share)
    return stop("CPU",
                fmt::format("used more than {} s of processor time", limits_.cpu_seconds_max));
  return std::nullopt;
}

std::optional<Death> Watch::too_much() {
  // Nobody but it where it cannot fork.
  const std::vector<pid_t> members =
      limits_.processes > 1 ? process_.group() : std::vector<pid_t>{process_.id()};
  if (members.size() > limits_.processes)
    return stop("PROCESSES", fmt::format("had {} processes, over its limit of {}", members.size(),
                                         limits_.processes));
  if (auto death = too_many_threads(members)) return death;
  // What the kernel enforces it need not be asked for.
  const auto& group = process_.control_group();
  return group && group->limits_memory() ? std::nullopt : too_much_memory(members);
}

std::optional<Death> Watch::too_many_threads(const std::vector<pid_t>& members) const {
  const uint32_t threads_max = kThreadsMax * limits_.processes;
  const auto& group = process_.control_group();
  if (group && group->limits_tasks()) {
    if (tasks_refused() == tasks_refused_before_) return std::nullopt;
    return stop("PROCESSES", fmt::format("wanted more threads, over its limit of {}", threads_max));
  }
  uint32_t threads = 0;
  for (const pid_t member : members) threads += count_threads(member);
  if (threads <= threads_max) return std::nullopt;
  return stop("PROCESSES",
              fmt::format("had {} threads, over its limit of {}", threads, threads_max));
}

std::optional<Death> Watch::too_much_memory(const std::vector<pid_t>& members) const {
  int64_t held = 0;
  // What is quicker to ask says more than what is held; what takes longest is exact.
  const auto sum_is_over = [&](const auto& of) {
    held = std::accumulate(members.begin(), members.end(), int64_t{0},
                           [&](int64_t sum, pid_t member) { return sum + of(member); });
    return held > limits_.memory_bytes_max;
  };
  if (!sum_is_over(address_bytes)) return std::nullopt;
  if (!sum_is_over([&](pid_t member) { return memory_bytes(member, given_bytes_); }))
    return std::nullopt;
  if (members.size() > 1 &&
      !sum_is_over([&](pid_t member) { return proportional_bytes(member, given_bytes_); }))
    return std::nullopt;
  return stop("MEMORY", fmt::format("held {} MiB of memory, over its limit of {} MiB", held >> 20,
                                    limits_.memory_bytes_max >> 20));
}

void Watch::look() {
  const Place place = place_();
  if (place.document != at_.document) {
    talks_ = 0;
    served_before_ns_ = served_ns_;
    // It may have begun to wait since the last look, and have used nothing yet.
    used_before_.waited_ns = used_.waited_ns;
    used_ = use();
    used_before_.cpu_ns = at_.document < documents_ ? used_.cpu_ns : used_before_call_.cpu_ns;
  }
  at_ = place;
}

// Of the document that it is at, else of all of them. Whatever the process says, all of them together
// have no longer.
int64_t Watch::due_ns() const {
  const int64_t deadline_ns = limits_.deadline_ms * kMillisecond;
  const int64_t all_ns = deadline_ns * static_cast<int64_t>(documents_);
  const int64_t all_due_ns =
      began_ns_ + all_ns + served_ns_ + excused_ns(used_before_call_, all_ns);
  if (at_.document >= documents_) return all_due_ns;
  const int64_t began_ns = std::clamp(at_.began_ns, began_ns_, monotonic_ns());
  return std::min(all_due_ns, began_ns + deadline_ns + served_ns_ - served_before_ns_ +
                                  excused_ns(used_before_, deadline_ns));
}

int64_t Watch::excused_ns(const Used& before, int64_t deadline_ns) const {
  return used_.cpu_ns - before.cpu_ns < deadline_ns ? used_.waited_ns - before.waited_ns : 0;
}

std::optional<uint32_t> Watch::guilty() const {
  if (const uint32_t document = place_().document; document < documents_) return document;
  if (documents_ == 1) return 0;
  return std::nullopt;
}

uint64_t Watch::tasks_refused() const {
  const auto& group = process_.control_group();
  return group && group->limits_tasks() ? group->tasks_refused() : 0;
}

Death Watch::ended() const {
  const auto& group = process_.control_group();
  if (group && group->memory_end() == ControlGroup::MemoryEnd::OverLimit)
    return blame("MEMORY", process_.cause());
  if (tasks_refused() > tasks_refused_before_)
    return blame("PROCESSES", fmt::format("wanted more threads, over its limit of {}, and {}",
                                          kThreadsMax * limits_.processes, process_.cause()));
  return blame("CRASHED", process_.cause());
}

Death Watch::blame(std::string code, std::string message) const {
  Death death{guilty(), std::move(code), "the stage's process " + std::move(message)};
  if (const std::string words = process_.last_words(); !words.empty())
    death.message += "; its last words: " + words;
  return death;
}

Death Watch::stop(std::string code, std::string message) const {
  const std::optional<uint32_t> document = guilty();
  process_.kill();
  Death death = blame(std::move(code), std::move(message));
  death.document = document;
  return death;
}

}  // namespace wiremill
