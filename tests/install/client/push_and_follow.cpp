// push_and_follow INTAKE REPLAY COUNT: pushes COUNT documents, follows the results by a named cursor,
// and commits it. What an application does with the installed client; restarts of the daemon need
// nothing here.
#include <wiremill/v1/document.pb.h>
#include <wiremill/client.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

namespace {

constexpr std::chrono::seconds kPoll{1};

int fail(const std::string& message) {
  std::cerr << message << std::endl;
  return 1;
}

wiremill::v1::Document document(uint64_t number) {
  wiremill::v1::Document document;
  document.set_id("ferry-" + std::to_string(number));
  document.set_source("example.org");
  document.set_body("The ferry left the harbour at dawn on Tuesday. Nobody saw it leave.");
  return document;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return fail("push_and_follow INTAKE REPLAY COUNT");
  const uint64_t count = std::strtoull(argv[3], nullptr, 10);
  std::string error;

  wiremill::IntakeClientOptions intake_options;
  intake_options.endpoint = argv[1];
  intake_options.client = "push-and-follow";
  const auto intake = wiremill::IntakeClient::connect(intake_options, error);
  if (!intake) return fail(error);
  std::vector<wiremill::IntakeEvent> answers;
  for (uint64_t number = 1; answers.size() < count;) {
    if (number <= count &&
        intake->push(wiremill::Encoding::Protobuf, document(number).SerializeAsString(), number))
      ++number;
    else
      intake->poll(kPoll, answers);
  }
  for (const wiremill::IntakeEvent& answer : answers)
    if (answer.kind != wiremill::IntakeEvent::Kind::Accepted)
      return fail(answer.id + " was refused: " + answer.message);

  wiremill::ReplayClientOptions replay_options;
  replay_options.endpoint = argv[2];
  replay_options.from = wiremill::ReplayClientOptions::From::Cursor;
  replay_options.cursor = "push-and-follow";
  replay_options.sources = {"example.org"};
  const auto replay = wiremill::ReplayClient::connect(replay_options, error);
  if (!replay) return fail(error);
  wiremill::ReplayEvent event;
  for (uint64_t seen = 0; seen < count;) {
    if (!replay->poll(kPoll, event)) continue;
    if (event.kind == wiremill::ReplayEvent::Kind::Error) return fail(event.message);
    if (event.kind != wiremill::ReplayEvent::Kind::Result) continue;
    wiremill::v1::Result result;
    if (!result.ParseFromString(event.result)) return fail("a result cannot be read");
    std::cout << result.sequence() << ' ' << result.id() << ' ' << result.summary().text() << '\n';
    ++seen;
  }
  replay->commit(replay->position().epoch, replay->position().sequence);
  while (!replay->poll(kPoll, event) || event.kind != wiremill::ReplayEvent::Kind::Committed) {
  }
  std::cout << "the cursor is at " << event.sequence << std::endl;
}
