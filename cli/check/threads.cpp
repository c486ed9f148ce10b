// Instances beside each other, and the same answers on every thread.
#include <thread>

#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kThreads = 8;
constexpr size_t kRounds = 3;

}  // namespace

Result<std::string> check_instances(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  const std::vector<Sample> samples = articles(32);
  WM_CHECK_GET(alone, Trial::make(subject));
  WM_CHECK_GET(expected, alone->run(samples, 8));
  WM_TRY(none_failed(expected));
  alone.reset();

  note_doing("an instance beside which another was made and destroyed");
  WM_CHECK_GET(first, Trial::make(subject));
  {
    WM_CHECK_GET(second, Trial::make(subject));
    WM_TRY(second->run(samples, 8));
  }
  WM_CHECK_GET(beside, first->run(samples, 8));
  WM_TRY(same(expected, beside, "beside another instance"));
  first.reset();

  note_doing("instances on several threads");
  // create and destroy are called once at a time.
  std::vector<std::unique_ptr<Trial>> trials;
  for (size_t i = 0; i < kThreads; ++i) {
    WM_CHECK_GET(trial, Trial::make(subject));
    trials.push_back(std::move(trial));
  }
  std::vector<Result<Answers>> found(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { found[i] = trials[i]->run(samples, 8); });
  for (std::thread& thread : threads) thread.join();
  for (const Result<Answers>& each : found) {
    WM_TRY(each);
    WM_TRY(same(expected, *each, "where other instances work on other threads"));
  }
  return fmt::format("{} at once", kThreads);
}

Result<std::string> check_determinism(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  const std::vector<Sample> samples = articles(128);
  WM_CHECK_GET(trial, Trial::make(subject));
  std::vector<Flight> first = trial->flights(samples);
  trial->set_next_sequence(1);
  std::vector<Flight> second = trial->flights(samples);
  WM_TRY(trial->process(first));
  WM_TRY(trial->process(second));
  WM_TRY(same(trial->answers(first), trial->answers(second), "when it is processed again"));
  trial.reset();

  WM_CHECK_GET(one, Trial::make(subject));
  WM_CHECK_GET(expected, one->run(samples, 4));
  one.reset();
  note_doing(fmt::format("{} threads", kThreads));
  for (size_t round = 0; round < kRounds; ++round) {
    WM_CHECK_GET(many, Trial::make(subject));
    WM_CHECK_GET(found, many->run(samples, 4, kThreads));
    WM_TRY(same(expected, found, fmt::format("on {} threads", kThreads)));
  }
  return fmt::format("{} documents twice, and on 1 and {} threads", samples.size(), kThreads);
}

}  // namespace wiremill::check
