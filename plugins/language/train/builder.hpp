// Makes the scorer's model of the languages' n-gram tables. Called by the trainer; one thread, the
// same tables give the same bytes.
#pragma once

#include <vector>

#include "plugins/language/model.hpp"
#include "plugins/language/train/tables.hpp"

namespace wiremill::language {

struct BuilderSettings {
  double discount = 0.75;         // off each count, given to what was not seen
  double probability_min = 1e-6;  // of a single symbol
  double frequency_power = 0.6;   // how much an n-gram's frequency counts towards keeping it
  double share_power = 0;         // how much its frequency in the language, beside the largest
  double worth_min = 7;           // weights worth less are left out
  double unit = 1.0 / 12;         // nats
};

ModelParts build_model(const std::vector<LanguageTables>& tables, const BuilderSettings& settings);

}  // namespace wiremill::language
