// Memory that is refused, and memory that is not given back.
#include <algorithm>

#include "cli/check/allocation.hpp"
#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr uint64_t kRefusalsInCreate = 24, kRefusalsInCalls = 200, kRefusalsInCallsBriefly = 60;
constexpr size_t kInstances = 20;
constexpr int64_t kBytesForAnInstance = 64;                      // a leak is at least so much each
constexpr size_t kDocuments = 10'000, kDocumentsBriefly = 1000;  // a fifth of them to warm up
constexpr size_t kDistinctDocuments = 100;
constexpr int64_t kBytesForADocument = 8;

constexpr std::string_view kNotWatched =
    "not done: in this build a sanitizer has the allocator, ask it for leaks";

// 1 … all, each where there are few, else the first third of `wanted` and then evenly.
std::vector<uint64_t> sample_of(uint64_t all, uint64_t wanted) {
  std::vector<uint64_t> list;
  const uint64_t dense = std::min(all, wanted / 3);
  for (uint64_t n = 1; n <= dense; ++n) list.push_back(n);
  const uint64_t step =
      std::max<uint64_t>(1, (all - dense) / std::max<uint64_t>(1, wanted - dense));
  for (uint64_t n = dense + step; n <= all; n += step) list.push_back(n);
  return list;
}

// Makes and destroys an instance while its nth allocation fails.
Result<uint64_t> make_instance(const Subject& subject, uint64_t nth) {
  ConfigErrors errors;
  const ResolvedOptions options =
      resolve_options(subject.descriptor().options, subject.config, errors);
  fail_allocation(nth);
  (void)WatchedStage::create(subject.plugin, options.data(), options.size(), HostAge::Today);
  const uint64_t made = allocations_made();
  fail_allocation(0);
  return made;
}

// Process and settle of these samples while the nth allocation fails; answers how many allocations
// there were. Processed as the same documents each time, settled as new ones.
Result<uint64_t> run_once(Trial& trial, std::span<const Sample> samples, uint64_t nth,
                          uint64_t& settled, Answers& answers) {
  trial.set_next_sequence(1);
  std::vector<Flight> flights = trial.flights(samples);
  fail_allocation(nth);
  WM_TRY(trial.process(flights));
  answers = trial.answers(flights);
  trial.set_next_sequence(settled + 1);
  settled += flights.size();
  trial.renumber(flights);
  WM_TRY(trial.settle(flights));
  const uint64_t made = allocations_made();
  fail_allocation(0);
  return made;
}

// Those that did not die are as they ought to be.
Status right_or_dead(const Answers& expected, Answers found, std::string_view how) {
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i].dead) found[i] = expected[i];
  return same(expected, found, how);
}

}  // namespace

Result<std::string> check_allocations(const Request& request) {
  if (!allocations_are_watched()) return std::string(kNotWatched);
  WM_CHECK_GET(subject, load(request));
  fail_only_in(subject.plugin->path());
  WM_CHECK_GET(in_create, make_instance(subject, 0));
  const std::vector<uint64_t> of_create = sample_of(in_create, kRefusalsInCreate);
  for (const uint64_t nth : of_create) {
    note_doing(fmt::format("allocation {} of create refused", nth));
    WM_TRY(make_instance(subject, nth));
  }

  const std::vector<Sample> samples = articles(5);
  WM_CHECK_GET(trial, Trial::make(subject));
  Answers expected, found;
  uint64_t settled = 0;
  // The first run may fill caches, so the second one counts.
  WM_TRY(run_once(*trial, samples, 0, settled, expected));
  WM_CHECK_GET(in_calls, run_once(*trial, samples, 0, settled, expected));
  const std::vector<uint64_t> of_calls =
      sample_of(in_calls, request.brief ? kRefusalsInCallsBriefly : kRefusalsInCalls);
  for (const uint64_t nth : of_calls) {
    note_doing(fmt::format("allocation {} of process and settle refused", nth));
    WM_TRY(run_once(*trial, samples, nth, settled, found));
    WM_TRY(right_or_dead(expected, found, fmt::format("where allocation {} is refused", nth)));
    note_doing(fmt::format("after allocation {} was refused", nth));
    trial->set_next_sequence(1);
    std::vector<Flight> again = trial->flights(samples);
    WM_TRY(trial->process(again));
    WM_TRY(
        same(expected, trial->answers(again), fmt::format("after allocation {} was refused", nth)));
  }
  return fmt::format("{} of {} allocations of create and {} of {} of the calls refused",
                     of_create.size(), in_create, of_calls.size(), in_calls);
}

Result<std::string> check_leaks(const Request& request) {
  if (!allocations_are_watched()) return std::string(kNotWatched);
  track_memory();
  WM_CHECK_GET(subject, load(request));
  note_doing("instances made and destroyed");
  WM_TRY(make_instance(subject, 0));
  WM_TRY(make_instance(subject, 0));
  const int64_t held_before = bytes_held();
  for (size_t i = 0; i < kInstances; ++i) WM_TRY(make_instance(subject, 0));
  if (const int64_t grown = bytes_held() - held_before;
      grown >= static_cast<int64_t>(kInstances) * kBytesForAnInstance)
    return red("{} instances that were destroyed left {} bytes behind", kInstances, grown);

  const std::vector<Sample> samples = articles(kDistinctDocuments);
  WM_CHECK_GET(trial, Trial::make(subject));
  const auto run_up_to = [&](size_t done, size_t documents) -> Result<int64_t> {
    for (; done < documents; done += samples.size()) {
      note_doing(fmt::format("after {} documents", done));
      WM_TRY(trial->run(samples, 25));
    }
    return bytes_held();
  };
  // A cache may fill in one half, or grow by a step; what leaks grows in both.
  const size_t all = request.brief ? kDocumentsBriefly : kDocuments;
  const size_t warm_up = all / 5, half = (all - warm_up) / 2;
  WM_CHECK_GET(warm, run_up_to(0, warm_up));
  WM_CHECK_GET(middle, run_up_to(warm_up, warm_up + half));
  WM_CHECK_GET(end, run_up_to(warm_up + half, all));
  const int64_t grown = std::min(middle - warm, end - middle);
  if (grown >= static_cast<int64_t>(half) * kBytesForADocument)
    return red(
        "it holds {} bytes more for each document that it has seen ({} after {}, {} after {})",
        grown / static_cast<int64_t>(half), warm, warm_up, end, all);
  return fmt::format("{} bytes held after {} documents, {} after {}", warm, warm_up, end, all);
}

}  // namespace wiremill::check
