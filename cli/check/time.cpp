// Deadlines and cancellation.
#include <chrono>
#include <thread>

#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

std::string in_seconds(int64_t ms) { return fmt::format("{} s", static_cast<double>(ms) / 1000); }

// One call of process over all of them, or an end to the check.
void process_in_time(const Trial& trial, std::span<Flight> batch, int64_t deadline_ms) {
  const Alarm alarm(deadline_ms, fmt::format("not back after {}", in_seconds(deadline_ms)));
  (void)trial.process(batch);
}

}  // namespace

Result<std::string> check_deadline(const Request& request) {
  using Clock = std::chrono::steady_clock;
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  trial->stage().deadline_us() = request.deadline_ms * 1000;
  std::vector<Sample> samples = articles(20);
  for (Sample& slow : patience_tests()) samples.push_back(std::move(slow));
  Clock::duration longest{};
  std::string longest_id;
  for (Flight& flight : trial->flights(samples)) {
    const auto began = Clock::now();
    process_in_time(*trial, {&flight, 1}, request.deadline_ms);
    const Alarm alarm(request.deadline_ms,
                      fmt::format("not back after {}", in_seconds(request.deadline_ms)));
    WM_TRY(trial->settle({&flight, 1}));
    if (Clock::now() - began > longest) {
      longest = Clock::now() - began;
      longest_id = flight.result.id();
    }
  }
  return fmt::format("{} documents, the longest ({}) took {:.3f} s", samples.size(), longest_id,
                     std::chrono::duration<double>(longest).count());
}

Result<std::string> check_cancel(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  const std::vector<Sample> few = articles(8), many = articles(200);
  std::vector<Flight> before = trial->flights(few);
  WM_TRY(trial->process(before));

  note_doing("a batch that is cancelled before it begins");
  trial->stage().cancelled() = 1;
  std::vector<Flight> cancelled = trial->flights(few);
  process_in_time(*trial, cancelled, request.deadline_ms);
  trial->stage().cancelled() = 0;

  note_doing("a batch that is cancelled in the middle");
  std::vector<Flight> interrupted = trial->flights(many);
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    trial->stage().cancelled() = 1;
  });
  process_in_time(*trial, interrupted, request.deadline_ms);
  canceller.join();
  trial->stage().cancelled() = 0;

  note_doing("a batch after one that was cancelled");
  trial->set_next_sequence(1);
  std::vector<Flight> after = trial->flights(few);
  WM_TRY(trial->process(after));
  WM_TRY(same(trial->answers(before), trial->answers(after), "after a cancelled call"));
  return "before a batch and in the middle of one of 200";
}

}  // namespace wiremill::check
