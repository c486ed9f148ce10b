// What a page's JSON-LD says of its article. Called by the HTML metadata. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace wiremill::clean {

struct JsonLdArticle {
  std::string headline, published, authors, publisher;
  bool found = false;
};

// The first object whose @type is a kind of article or posting. Reads broken JSON as far as it
// goes; objects nested deeper than 64 are passed over.
JsonLdArticle read_json_ld(std::string_view json);

}  // namespace wiremill::clean
