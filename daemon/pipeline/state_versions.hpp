// Which state version a stage's key space holds (wm_descriptor.state_version): recorded under the
// stage's name in the space "stages", beside the first result whose changes touch that key space, and
// so exactly as old as what it speaks of. A stage of another version would misread the space; it is
// refused. A space that nobody wrote to has no version.
//
// Threads: mismatches() on any; note() inside the emission's ordered point.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

class StateVersions {
 public:
  static constexpr const char* kSpace = "stages";

  // Looks at what is recorded. `state` outlives it and has the space "stages". Errors: Io.
  static Result<StateVersions> load(StateStore& state);

  struct Mismatch {
    std::string stage, message;
  };
  // The stages of `line` that cannot read what the store holds under their names. Errors: Io.
  static Result<std::vector<Mismatch>> mismatches(const Line& line, const StateStore& state);
  // Those that would follow a stage of `before` with another version, whose state may be on its way.
  static std::vector<Mismatch> mismatches(const Line& line, const Line& before);

  // Records the versions of those spaces that `flight`, which went through `line`, is the first to
  // change.
  void note(const Line& line, Flight& flight);

 private:
  explicit StateVersions(StateStore& state) : state_(&state), space_(state.space(kSpace)) {}

  StateStore* state_;
  size_t space_;
  std::set<std::string, std::less<>> recorded_;  // stages
  std::vector<bool> seen_;                       // by space of the store: nothing is to be recorded
};

}  // namespace wiremill
