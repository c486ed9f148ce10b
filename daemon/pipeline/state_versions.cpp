#include "daemon/pipeline/state_versions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace wiremill {
namespace {

StateVersions::Mismatch mismatch(const Stage& stage, std::string_view held) {
  return {stage.name(),
          fmt::format("stage '{}' keeps its state in version {}, but what is stored under its name "
                      "has version {}: give the stage another name, and it begins with nothing "
                      "stored, or keep the plugin of version {}",
                      stage.name(), stage.descriptor().state_version, held, held)};
}

}  // namespace

Result<StateVersions> StateVersions::load(StateStore& state) {
  StateVersions versions(state);
  WM_TRY(state.scan(versions.space_, "", "", [&](std::string_view stage, std::string_view) {
    versions.recorded_.emplace(stage);
    return true;
  }));
  return versions;
}

Result<std::vector<StateVersions::Mismatch>> StateVersions::mismatches(const Line& line,
                                                                       const StateStore& state) {
  std::vector<const Stage*> stages;
  std::vector<std::string_view> names;
  for (const LineStage& each : line.stages()) {
    if (!each.stage->settles()) continue;
    stages.push_back(each.stage);
    names.push_back(each.stage->name());
  }
  std::vector<std::optional<std::string>> held;
  WM_TRY(state.get_many(state.space(kSpace), names, held));
  std::vector<Mismatch> found;
  for (size_t i = 0; i < stages.size(); ++i)
    if (held[i] && *held[i] != std::to_string(stages[i]->descriptor().state_version))
      found.push_back(mismatch(*stages[i], *held[i]));
  return found;
}

std::vector<StateVersions::Mismatch> StateVersions::mismatches(const Line& line,
                                                               const Line& before) {
  std::vector<Mismatch> found;
  for (const LineStage& each : line.stages())
    for (const LineStage& old : before.stages()) {
      const uint32_t version = old.stage->descriptor().state_version;
      if (each.stage->settles() && old.stage->settles() &&
          each.stage->name() == old.stage->name() &&
          each.stage->descriptor().state_version != version)
        found.push_back(mismatch(*each.stage, std::to_string(version)));
    }
  return found;
}

void StateVersions::note(const Line& line, Flight& flight) {
  const size_t changes = flight.changes.size();
  for (size_t i = 0; i < changes; ++i) {
    const size_t space = flight.changes[i].space;
    if (space >= seen_.size()) seen_.resize(space + 1);
    if (seen_[space]) continue;
    seen_[space] = true;
    const auto stage = std::ranges::find_if(line.stages(), [space](const LineStage& each) {
      return each.stage->settles() && each.space == space;
    });
    if (stage == line.stages().end()) continue;  // a space of the pipeline's own
    const std::string& name = stage->stage->name();
    if (!recorded_.insert(name).second) continue;
    std::string version = std::to_string(stage->stage->descriptor().state_version);
    state_->write(space_, name, version, flight.sequence());
    flight.changes.push_back({space_, name, false, std::move(version)});
  }
}

}  // namespace wiremill
