// A result as JSON: one object on one line, by our own printer (protobuf's drops zeros, shuffles
// maps and prints floats badly). Keys stand in a fixed order, maps are sorted, confidences have at
// most three decimals, and a field of a stage that ran is present even when it is empty. The names
// are a contract. Called by the feed's tools, `wiremill run` and the admin API. Any thread.
//
//   always              sequence id status source uri title published ("" where unset)
//   where provided      byline dateline text language sentences entities duplicate summary
//                       extensions
//   DROPPED and DEAD    failure
//   where not zero      revises retries
//   where provided      paragraphs
//   where asked for     timings
#pragma once

#include <string>
#include <string_view>

#include "wiremill/v1/document.pb.h"

namespace wiremill {

struct ResultJsonOptions {
  bool timings = false;
};

// Appends the object, without a line break, to `out`. Confidences are held within 0 … 1. The
// extensions' JSON passed is_json_value when the stage set it; line breaks between its tokens
// become blanks.
void append_result_json(const v1::Result& result, const ResultJsonOptions& options,
                        std::string& out);

// Appends a JSON string literal. Control characters are escaped; what is not UTF-8 is repaired.
void append_json_string(std::string_view text, std::string& out);

// Whether `text` is one JSON value (RFC 8259) in valid UTF-8, nested at most kJsonDepthMax deep and
// without a number beyond the range of a double. The stage host asks before it takes an extension.
inline constexpr int kJsonDepthMax = 64;
bool is_json_value(std::string_view text);

}  // namespace wiremill
