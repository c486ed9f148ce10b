// How good a model is: names found exactly, by type, and how far its confidence may be believed.
// Called by the training programs; one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plugins/entities/tagger.hpp"
#include "plugins/entities/train/corpus.hpp"

namespace wiremill::entities {

// Answers F1 in percent over all types. Prints precision, recall and F1 by type, the share of right mentions by confidence, and tokens a
// second of processor time. `fold_events`: an EVENT found counts as MISC (for sets that do not tell
// them apart).
double measure(const Tagger& tagger, const std::vector<Example>& examples, bool fold_events,
               const std::string& title, bool list_errors = false);

}  // namespace wiremill::entities
