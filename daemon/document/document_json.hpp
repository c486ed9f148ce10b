// A submitted document as JSON: one object {"id","source","uri","title","body","content_type",
// "published","attributes"}, every key optional. Used by the intake (bare JSON) and by `wiremill
// run` and `push` (JSON lines). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/error.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {

// Errors: Malformed, with the byte position where the JSON breaks off, or the key whose value has
// the wrong type, is unknown or is not a time. Bytes that are not UTF-8 inside strings are kept in
// the body (the line repairs them) and repaired elsewhere. Nesting is bounded.
Result<v1::Document> document_from_json(std::string_view json);

// Errors: Malformed, with the byte position, as for JSON.
Result<v1::Document> document_from_protobuf(std::string_view bytes);

std::string document_to_json(const v1::Document& document);

}  // namespace wiremill
