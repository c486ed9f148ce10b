// What settle may not take for granted, and whether it remembers.
#include <algorithm>

#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr std::string_view kNoState = "it does not settle";
constexpr uint64_t kStateCallsMax = 12;

}  // namespace

Result<std::string> check_settle_order(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  if (!subject.settles()) return std::string(kNoState);
  const std::vector<Sample> samples = articles(45);
  const auto is_lost = [](size_t i) { return i % 3 == 1; };  // behind process, before settle

  note_doing("each document settled before the next is processed, sequences with gaps");
  WM_CHECK_GET(in_step, Trial::make(subject));
  Answers expected;
  std::vector<Flight> each = in_step->flights(samples);
  for (size_t i = 0; i < each.size(); ++i) {
    if (is_lost(i)) continue;
    WM_TRY(in_step->process({&each[i], 1}));
    WM_TRY(in_step->settle({&each[i], 1}));
    expected.push_back(in_step->answers({&each[i], 1}).front());
  }
  WM_TRY(none_failed(expected));
  in_step.reset();

  note_doing("all processed, the last first, before any is settled");
  WM_CHECK_GET(apart, Trial::make(subject));
  std::vector<Flight> all = apart->flights(samples);
  for (size_t i = all.size(); i-- > 0;) WM_TRY(apart->process({&all[i], 1}));
  Answers found;
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_lost(i)) continue;
    WM_TRY(apart->settle({&all[i], 1}));
    found.push_back(apart->answers({&all[i], 1}).front());
  }
  WM_TRY(same(expected, found, "where all were processed before any was settled"));
  return fmt::format("{} documents, a third of which is never settled", samples.size());
}

Result<std::string> check_state_errors(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  if (!subject.settles()) return std::string(kNoState);
  const std::vector<Sample> samples = articles(4);
  uint64_t calls = 0;
  for (uint64_t nth = 0; nth <= std::min(calls, kStateCallsMax); ++nth) {
    note_doing(fmt::format("call {} of the state fails", nth));
    WM_CHECK_GET(trial, Trial::make(subject));
    std::vector<Flight> flights = trial->flights(samples);
    WM_TRY(trial->process(flights));
    trial->stage().fail_state_call(nth);
    WM_TRY(trial->settle(flights));
    if (nth == 0)
      calls = trial->stage().state_calls();
    else if (!trial->stage().gave_up())
      return red("call {} of {} to the state answered WM_ERROR_IO, and settle gave up no document",
                 nth, calls);
  }
  return fmt::format("{} of {} calls to the state fail", std::min(calls, kStateCallsMax), calls);
}

Result<std::string> check_restart(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  if (!subject.settles()) return std::string(kNoState);
  const std::vector<Sample> samples = articles(60);
  WM_CHECK_GET(whole, Trial::make(subject));
  WM_CHECK_GET(expected, whole->run(samples, 5));
  WM_TRY(none_failed(expected));
  whole.reset();

  Answers found;
  Trial::Store store;
  for (size_t from = 0; from < samples.size(); from += 15) {
    note_doing(fmt::format("a new instance from document {} on", from + 1));
    WM_CHECK_GET(part, Trial::make(subject, HostAge::Today, store));
    store = part->store();
    part->set_next_sequence(from + 1);
    WM_CHECK_GET(answers, part->run(std::span(samples).subspan(from, 15), 5));
    std::ranges::move(answers, std::back_inserter(found));
  }
  WM_TRY(same(expected, found, "where instances were replaced"));
  return fmt::format("{} documents by 4 instances, one after the other", samples.size());
}

}  // namespace wiremill::check
