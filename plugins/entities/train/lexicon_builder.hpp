// The gazetteer and the word clusters as the model's tables. Called by train.cpp; one thread.
#pragma once

#include <string>

#include "daemon/text/segmenter.hpp"

namespace wiremill::entities {

struct LexiconTables {
  std::string gazetteer, clusters;
};
LexiconTables build_lexicon(const std::string& data, text::Segmenter& segmenter);

}  // namespace wiremill::entities
