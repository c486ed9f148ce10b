// A result as JSON: one object on one line, by our own printer (protobuf's drops zeros, shuffles
// maps and prints floats badly). Keys stand in a fixed order, maps are sorted, confidences have at
// most three decimals, and a field of a stage that ran is present even when it is empty. The names
// are a contract. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "wiremill/v1/document.pb.h"

namespace wiremill {

struct ResultJsonOptions {
  bool timings = false;
};

// Appends the object, without a line break, to `out`.
void append_result_json(const v1::Result& result, const ResultJsonOptions& options,
                        std::string& out);

// Appends a JSON string literal. `text` is valid UTF-8; control characters are escaped.
void append_json_string(std::string_view text, std::string& out);

}  // namespace wiremill
