// The topic of a result and, for each topic, the sequence of the result before: what lets a
// subscriber of the live feed see a gap. Bounded: the topic used longest ago is forgotten, its next
// result says 0. Kept in the state store's space "topics", so it is exactly as old as the result
// log.
//
// Called by the pipeline in sequence order, one call at a time.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/pipeline/flight.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

// `<language>/<percent-encoded source>/`, "und" where the language is unknown.
std::string topic_of(const v1::Result& result);

class Topics {
 public:
  static constexpr const char* kSpace = "topics";

  // Loads what the store holds. Errors: Io.
  static Result<Topics> load(StateStore& state, size_t topics_max);

  // Notes that `flight` goes out on `topic` and answers the sequence before it there, 0 for none.
  uint64_t advance(const std::string& topic, Flight& flight);

 private:
  struct Entry {
    std::string topic;
    uint64_t sequence;
  };
  Topics(StateStore& state, size_t topics_max)
      : state_(&state), space_(state.space(kSpace)), topics_max_(topics_max) {}
  void record(const std::string& topic, uint64_t sequence, bool removed, Flight& flight);

  StateStore* state_;
  size_t space_;
  size_t topics_max_;
  std::list<Entry> recent_;  // newest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_topic_;
};

}  // namespace wiremill
