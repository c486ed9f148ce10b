// Is this a document, and which? What the intake decides from a submitted frame alone. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/base/hash.hpp"

namespace wiremill {

struct DocumentFields;

enum class DocumentFormat { Unknown, Protobuf, Json };

// From a content type: "application/x-protobuf", "application/json", "json", with any parameters.
DocumentFormat document_format(std::string_view content_type);

struct Content {
  std::string id;  // as submitted
  Hash128 hash;    // over all that was submitted but the id

  // The Document, serialised: the frame itself where that can be read back, else what was made of it.
  std::string_view bytes() const { return made.empty() ? frame : made; }
  std::string_view frame;
  std::string made{};
};

// What is wrong with a frame, and the id where it was found.
struct BadContent {
  Error error;
  std::string id;
};

// The frame must outlive the content.
// Errors: TooLarge (the frame, or a field over its own limit); Malformed with the position;
// Unsupported (Document.content_type is none of text/plain, text/html, application/xhtml+xml,
// text/markdown).
tl::expected<Content, BadContent> read_content(std::string_view frame, DocumentFormat format,
                                               size_t document_bytes_max);

// The hash of the fields source, uri, title, body, content_type, published and attributes.
Hash128 content_hash(const DocumentFields& document);
// What a client's number stands for: the same content under another id is another document.
Hash128 numbered_hash(const Hash128& content, std::string_view id);

}  // namespace wiremill
