// See content.hpp.
//
// Nearly every document comes as protobuf in good order. It is checked where it lies and kept as it
// came, neither parsed into a Document nor written out again.
#include "daemon/intake/content.hpp"

#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "daemon/document/document_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kProtobuf = "application/x-protobuf";

// "Text/HTML; charset=utf-8" to "text/html".
std::string essence(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  std::string type;
  for (const char c : content_type)
    if (std::isspace(static_cast<unsigned char>(c)) == 0)
      type += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

bool is_supported(std::string_view content_type) {
  if (content_type == "text/plain" || content_type == "text/html") return true;  // nearly always
  const std::string type = essence(content_type);
  return type.empty() || type == "text/plain" || type == "text/html" ||
         type == "application/xhtml+xml" || type == "text/markdown";
}

std::string_view bytes_of(const Hash128* hashes, size_t count) {
  return {reinterpret_cast<const char*>(hashes), count * sizeof(Hash128)};
}

}  // namespace

DocumentFormat document_format(std::string_view content_type) {
  if (content_type == kProtobuf) return DocumentFormat::Protobuf;
  const std::string type = essence(content_type);
  if (type == "application/json" || type == "json") return DocumentFormat::Json;
  if (type == kProtobuf) return DocumentFormat::Protobuf;
  return DocumentFormat::Unknown;
}

// Each field's hash has the same length, so no field can run into the next.
Hash128 content_hash(const DocumentFields& document) {
  std::array<Hash128, 7> hashes{hash128(document.source),       hash128(document.uri),
                                hash128(document.title),        hash128(document.body),
                                hash128(document.content_type), hash128(document.published)};
  for (const auto& [name, value] : document.attributes) {
    const std::array<Hash128, 3> sum{hashes[6], hash128(name), hash128(value)};
    hashes[6] = hash128(bytes_of(sum.data(), sum.size()));
  }
  return hash128(bytes_of(hashes.data(), hashes.size()));
}

Hash128 numbered_hash(const Hash128& content, std::string_view id) {
  const std::array<Hash128, 2> both{content, hash128(id)};
  return hash128(bytes_of(both.data(), both.size()));
}

tl::expected<Content, BadContent> read_content(std::string_view frame, DocumentFormat format,
                                               size_t document_bytes_max) {
  const auto bad = [](ErrorCode code, std::string message, std::string id = "") {
    return tl::unexpected<BadContent>(BadContent{{code, std::move(message)}, std::move(id)});
  };
  if (frame.size() > document_bytes_max)
    return bad(ErrorCode::TooLarge, fmt::format("the document has {} bytes, {} are allowed",
                                                frame.size(), document_bytes_max));
  const bool json = format == DocumentFormat::Json;
  std::optional<v1::Document> document;
  auto fields = json ? std::nullopt : fields_in_place(frame);
  const bool in_place = fields.has_value();
  if (!in_place) {
    auto read = json ? document_from_json(frame) : document_from_protobuf(frame);
    if (!read) return bad(read.error().code, std::move(read.error().message));
    document = std::move(*read);
    fields = fields_of(*document);
  }
  if (!is_supported(fields->content_type))
    return bad(ErrorCode::Unsupported,
               fmt::format("content type \"{}\": text/plain, text/html, application/xhtml+xml and "
                           "text/markdown are supported",
                           text::repair(fields->content_type.substr(0, 100))),
               std::string(fields->id));
  Content content;
  content.hash = content_hash(*fields);
  content.id = fields->id;
  if (in_place)
    content.frame = frame;
  else
    document->SerializeToString(&content.made);
  return content;
}

}  // namespace wiremill
