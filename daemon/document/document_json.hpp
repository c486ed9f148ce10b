// A submitted document as it arrives: JSON, one object {"id","source","uri","title","body",
// "content_type","published","attributes"} with every key optional, or protobuf. Used by the intake
// (bare messages and PUT) and by `wiremill run` and `push` (JSON lines). Any thread.
//
// Both readers keep the body's bytes as they are (the line repairs them), and repair every other
// field to UTF-8 (text::repair). `published` is empty or a time as parse_time reads it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {

// Bytes after repair. The body's limit is the intake's (document_bytes_max).
inline constexpr size_t kIdBytesMax = 512;
inline constexpr size_t kSourceBytesMax = 256;
inline constexpr size_t kUriBytesMax = 8 << 10;
inline constexpr size_t kTitleBytesMax = 64 << 10;
inline constexpr size_t kContentTypeBytesMax = 256;
inline constexpr size_t kPublishedBytesMax = 64;
inline constexpr size_t kAttributesMax = 64;
inline constexpr size_t kAttributeBytesMax = 4 << 10;  // name and value together

// Strict JSON. null counts as absent; an attribute's value may be a string, a number or a boolean
// and is kept as its text; a \u escape of a lone surrogate becomes U+FFFD.
// Errors: Malformed, TooLarge. The message begins "byte N: ", where reading stopped, and names the
// key that is unknown, stands twice, has the wrong type, is not a time or is over its limit.
Result<v1::Document> document_from_json(std::string_view json);

// Unknown fields are dropped; of a field that stands twice the last counts.
// Errors: Malformed, TooLarge; "byte N: " is where the field at fault begins.
Result<v1::Document> document_from_protobuf(std::string_view bytes);

// The fields of a serialised Document where they stand in it; attributes sorted by name.
struct DocumentFields {
  std::string_view id, source, uri, title, body, content_type, published;
  std::vector<std::pair<std::string_view, std::string_view>> attributes;
};

// The fields of a document that protobuf reads back just as it came: each one known and there once,
// inside its limit, with nothing to repair. nullopt for every other one; document_from_protobuf says
// what is the matter, or mends it.
std::optional<DocumentFields> fields_in_place(std::string_view bytes);
// The document must outlive them.
DocumentFields fields_of(const v1::Document& document);

// One line; empty fields are left out, attributes are sorted. A body that is not UTF-8 is repaired.
std::string document_to_json(const v1::Document& document);

}  // namespace wiremill
