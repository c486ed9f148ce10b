// Mutation: documents changed at random, for as long as was asked. The one that is tried stands where
// the parent can read it, so it is kept whatever becomes of this process.
#include <chrono>
#include <random>

#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr uint64_t kDocumentsEach = 10'000;  // by one instance with one state, which grows

}  // namespace

Result<std::string> check_mutation(const Request& request) {
  using Clock = std::chrono::steady_clock;
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  std::vector<Sample> seeds = articles(50);
  for (Sample& edge : text_edges()) seeds.push_back(std::move(edge));
  const uint64_t seed = std::random_device()();
  uint64_t random = seed;
  note_doing(fmt::format("mutation with seed {}", seed));
  const auto end = Clock::now() + std::chrono::milliseconds(request.fuzz_ms);
  Alarm alarm(request.deadline_ms, "not back within the deadline");
  uint64_t documents = 0;
  for (; Clock::now() < end; ++documents) {
    const Sample sample = mutated(seeds, random);
    std::vector<Flight> flight = trial->flights({&sample, 1});
    v1::Document input = flight.front().document;
    input.set_id(sample.id);
    input.set_source(sample.source);
    input.set_uri(sample.uri);
    input.set_title(sample.title);
    note_input(input.SerializeAsString());
    alarm.restart();
    WM_TRY(trial->process(flight));
    WM_TRY(trial->settle(flight));
    if (const auto refusals = trial->stage().refusals(); !refusals.empty())
      return red("the host refused {} (seed {})", refusals.front(), seed);
    if (Status sound = none_failed(trial->answers(flight)); !sound)
      return red("{} (seed {})", sound.error().message, seed);
    if (documents % kDocumentsEach != kDocumentsEach - 1) continue;
    trial.reset();
    WM_CHECK_GET(next, Trial::make(subject));
    trial = std::move(next);
  }
  return fmt::format("{} documents, seed {}", documents, seed);
}

}  // namespace wiremill::check
