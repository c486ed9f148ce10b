// The types of entities and the labels of tokens: O, and for each type B(egin), I(nside), L(ast)
// and U(nit: a name of one token). Known to every file of this stage. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wiremill::entities {

enum class Type : uint8_t { Per, Org, Loc, Event, Misc };
inline constexpr size_t kTypes = 5;
inline constexpr std::array<std::string_view, kTypes> kTypeNames = {"PER", "ORG", "LOC", "EVENT",
                                                                    "MISC"};

inline std::optional<Type> type_of_name(std::string_view name) {
  for (size_t i = 0; i < kTypes; ++i)
    if (kTypeNames[i] == name) return static_cast<Type>(i);
  return std::nullopt;
}

enum class Place : uint8_t { Begin, Inside, Last, Unit };

inline constexpr uint8_t kOutside = 0;
inline constexpr size_t kLabels = 1 + 4 * kTypes;

constexpr uint8_t label(Type type, Place place) {
  return static_cast<uint8_t>(1 + 4 * static_cast<unsigned>(type) + static_cast<unsigned>(place));
}
constexpr Type type_of(uint8_t label) { return static_cast<Type>((label - 1) / 4); }
constexpr Place place_of(uint8_t label) { return static_cast<Place>((label - 1) % 4); }

// Whether a name is still open behind `label`, and whether one is open before it.
constexpr bool leaves_open(uint8_t label) {
  return label != kOutside && (place_of(label) == Place::Begin || place_of(label) == Place::Inside);
}
constexpr bool needs_open(uint8_t label) {
  return label != kOutside && (place_of(label) == Place::Inside || place_of(label) == Place::Last);
}
constexpr bool may_follow(uint8_t before, uint8_t after) {
  if (leaves_open(before) != needs_open(after)) return false;
  return !leaves_open(before) || type_of(before) == type_of(after);
}

// Sets of labels, for training from sets that say only part of the truth.
using LabelSet = uint32_t;
inline constexpr LabelSet kAnyLabel = (LabelSet{1} << kLabels) - 1;
constexpr LabelSet only(uint8_t label) { return LabelSet{1} << label; }

}  // namespace wiremill::entities
