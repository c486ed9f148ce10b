// What page furniture is called: the words that begin furniture lines, and those in class and id
// names. General knowledge of how pages are made, not of any one site. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

// A line that is part of the page and not of the article, whatever stands around it: "Share:",
// "Read more: …", "Home > News", "[Print]", "© 2023 …". `shape` is the line's own.
bool is_furniture(std::string_view line, const Shape& shape);

// A line that opens a block of furniture which runs to the page's end ("Related articles",
// "Comments", "Most read").
bool opens_tail(std::string_view line, const Shape& shape);

// A sentence in which the page speaks of itself: its cookies, its newsletter, its accounts on
// social networks. May be running text.
bool is_pitch(std::string_view line, const Shape& shape);

// Either of the two, in one walk over the line.
bool is_furniture_or_pitch(std::string_view line, const Shape& shape);

// What an element's class and id say of it.
enum class Hint : uint8_t {
  kNone,
  kLead,       // an opening paragraph set apart
  kContent,    // names such as article-body, entry-content
  kFurniture,  // share bars, related links, newsletters, cookies, menus, captions
  kComments,   // readers' comments: prose, but not the article's
};
Hint hint_of(std::string_view class_names, std::string_view id);

}  // namespace wiremill::clean
