// The second pass's features: see evidence.hpp.
#include "plugins/entities/evidence.hpp"

#include <algorithm>

namespace wiremill::entities {
namespace {

// The types of a word's other occurrences, in one number: the leading type, how clearly it leads,
// and the place in a name where the word mostly stands.
template <class Votes>
uint64_t opinion(const Votes& votes) {
  std::array<uint32_t, kTypes + 1> types{};
  std::array<uint32_t, 4> places{};
  uint32_t total = 0;
  for (uint8_t l = 0; l < kLabels; ++l) {
    total += votes[l];
    if (l == kOutside) {
      types[kTypes] += votes[l];
    } else {
      types[static_cast<size_t>(type_of(l))] += votes[l];
      places[static_cast<size_t>(place_of(l))] += votes[l];
    }
  }
  if (total == 0) return 0;
  const auto leader = std::max_element(types.begin(), types.end());
  const auto place = std::max_element(places.begin(), places.end());
  const uint64_t share = *leader == total ? 2 : 3 * *leader > 2 * total ? 1 : 0;
  return 1 + static_cast<uint64_t>(leader - types.begin()) + 8 * share +
         32 * static_cast<uint64_t>(place - places.begin()) + 128 * (total > 1);
}

}  // namespace

std::vector<Chunk> chunks_of(std::span<const uint8_t> labels) {
  std::vector<Chunk> chunks;
  for (uint32_t i = 0; i < labels.size();) {
    if (labels[i] == kOutside) {
      ++i;
      continue;
    }
    uint32_t end = i + 1;
    while (end < labels.size() && needs_open(labels[end])) ++end;
    chunks.push_back({type_of(labels[i]), i, end});
    i = end;
  }
  return chunks;
}

Evidence::Evidence(const Passage& passage, std::span<const uint8_t> labels)
    : passage_(passage), labels_(labels) {
  const auto words = passage.words();
  phrase_of_.assign(words.size(), 0);
  for (uint32_t i = 0; i < words.size(); ++i)
    if (words[i].capital()) ++words_[words[i].lower][labels[i]];
  for (const Chunk& chunk : chunks_of(labels)) {
    uint64_t phrase = 0, initials = 0;
    uint32_t initials_count = 0;
    for (uint32_t i = chunk.first; i < chunk.end; ++i) {
      phrase = extend_phrase(phrase, words[i].lower);
      if (words[i].capital()) {
        initials = mix(initials, words[i].initial);
        ++initials_count;
      }
    }
    for (uint32_t i = chunk.first; i < chunk.end; ++i) phrase_of_[i] = phrase;
    ++phrases_[phrase][static_cast<size_t>(chunk.type)];
    if (initials_count > 1) initials_.try_emplace(initials, chunk.type);
  }
}

void Evidence::features(const Stretch& stretch, uint32_t at, std::vector<uint32_t>& out) const {
  out.clear();
  const auto add = [&](uint64_t id, uint64_t value) {
    out.push_back(static_cast<uint32_t>(mix(id, value) >> 16));
  };
  const auto words = passage_.words();
  const auto label_at = [&](int64_t i) -> uint64_t {
    return i < stretch.first || i >= stretch.end ? kLabels : labels_[static_cast<size_t>(i)];
  };
  const uint64_t own = labels_[at];
  add(1, own);
  add(2, own * 64 + label_at(int64_t{at} - 1));
  add(3, own * 64 + label_at(int64_t{at} + 1));
  const auto opinion_at = [&](uint32_t i) -> uint64_t {
    if (!words[i].capital()) return 1000;
    auto votes = words_.find(words[i].lower)->second;
    --votes[labels_[i]];
    return opinion(votes);
  };
  const uint64_t here = opinion_at(at);
  const uint64_t left = at > stretch.first ? opinion_at(at - 1) : 1001;
  const uint64_t right = at + 1 < stretch.end ? opinion_at(at + 1) : 1001;
  add(4, here);
  add(5, here * 64 + own);
  add(6, mix(left, here));
  add(7, mix(here, right));
  add(8, mix(left, own));
  add(9, mix(right, own));
  if (!words[at].capital()) return;
  if (phrase_of_[at] != 0) {
    auto votes = phrases_.find(phrase_of_[at])->second;
    --votes[static_cast<size_t>(type_of(labels_[at]))];
    const auto leader = std::max_element(votes.begin(), votes.end());
    const uint64_t same = *leader == 0 ? 0 : 1 + static_cast<uint64_t>(leader - votes.begin());
    add(10, same * 64 + own);
    add(11, mix(same * 64 + own, std::min<uint32_t>(*leader, 3)));
  }
  if (words[at].initials != 0) {
    const auto found = initials_.find(words[at].initials);
    const uint64_t type = found == initials_.end() ? 7 : static_cast<uint64_t>(found->second);
    add(12, type);
    add(13, type * 64 + own);
  }
}

}  // namespace wiremill::entities
