// A stage on trial: the plugin loaded into this process, an instance of it with a state store in
// memory, and documents that pass it through the daemon's own calls (pipeline/stage_call.hpp). What
// earlier stages would have made of a document is made up where the stage reads it.
//
// One thread, but for process(), which takes disjoint batches on several.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/check/sample.hpp"
#include "cli/check/watched_stage.hpp"
#include "daemon/config/options.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/pipeline/stage_call.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill::check {

// What is to be checked.
struct Request {
  std::string path;
  std::vector<std::pair<std::string, OptionNode>> options{};
  int64_t deadline_ms = 10'000;  // of one document
  int64_t fuzz_ms = 0;           // 0: no mutation
  bool brief = false;            // a tenth of the documents and of the largest sizes
};

struct Subject {
  std::shared_ptr<const Plugin> plugin;
  StageConfig config;
  Annotations wanted = 0, provided = 0;
  const wm_descriptor& descriptor() const { return plugin->descriptor(); }
  bool settles() const { return descriptor().settle != nullptr; }
};

// Errors: Config, what is wrong with the file, its descriptor or the options.
Result<Subject> load(const Request& request);

// What became of one document.
struct Answer {
  std::string id;
  bool failed = false;    // the stage called itself at fault
  bool dead = false;      // that, or the document at fault
  std::string result;     // serialised
  std::string changes;    // of the state
  std::string failure{};  // where it is dead: "CODE: message"
};
using Answers = std::vector<Answer>;

// Whether both are the same; the error names the first document that is not, and how they differ.
Status same(const Answers& first, const Answers& second, std::string_view how_second);
// No document failed by the stage's own fault.
Status none_failed(const Answers& answers);

class Trial {
 public:
  using Store = std::shared_ptr<StateStore>;
  // With a store of its own where none is given. Errors: Config.
  static Result<std::unique_ptr<Trial>> make(const Subject& subject, HostAge age = HostAge::Today,
                                             Store store = nullptr);

  const WatchedStage& stage() const { return *stage_; }
  const Store& store() const { return store_; }
  void set_next_sequence(uint64_t sequence) { next_sequence_ = sequence; }

  // With the next sequences.
  std::vector<Flight> flights(std::span<const Sample> samples);
  Status process(std::span<Flight> batch) const;
  // Gives processed documents the next sequences, as if they were others.
  void renumber(std::span<Flight> batch);
  // Documents ascending. Nothing where the stage does not settle.
  Status settle(std::span<Flight> batch);
  Answers answers(std::span<const Flight> flights) const;

  // All of it: batches of so many documents, processed by so many threads, then settled in order.
  Result<Answers> run(std::span<const Sample> samples, size_t batch_documents, size_t threads = 1);

 private:
  Trial() = default;

  const Subject* subject_ = nullptr;  // outlives it
  Calls calls_;
  LineStage line_;
  std::unique_ptr<WatchedStage> stage_;
  Store store_;
  text::Segmenter segmenter_;
  uint64_t next_sequence_ = 1;
};

// What a finding that a stage breaks a rule is made of.
template <class... Args>
tl::unexpected<Error> red(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::Malformed, format, std::forward<Args>(args)...);
}

}  // namespace wiremill::check

// The value of a Result, or the enclosing function is given up with its error.
#define WM_CHECK_GET(variable, expression)                                     \
  auto variable##_or = (expression);                                           \
  if (!variable##_or) return tl::unexpected(std::move(variable##_or).error()); \
  auto variable = std::move(*variable##_or)
