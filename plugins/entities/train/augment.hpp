// Invented sentences for what the annotated sets hardly show and news is full of: long titles
// before names that nobody has seen ("Norway's First Deputy Minister of Labour X Y"). Countries,
// demonyms and parts of names come from the gazetteer; names are put together from the halves of
// two words, so that only their place in the sentence tells what they are.
// Called by train.cpp; one thread; the same sentences each time.
#pragma once

#include <string>
#include <vector>

#include "plugins/entities/train/corpus.hpp"

namespace wiremill::entities {

// `gazetteer` is the listing, one "CLASS<tab>phrase" a line.
std::vector<Example> invent_sentences(const std::string& gazetteer, size_t count);

}  // namespace wiremill::entities
