// Title, time of publication, byline, site, description and address as a page states them. Called by
// article.cpp for each HTML document. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/clean/html_tree.hpp"

namespace wiremill::clean {

struct HtmlMetadata {
  std::string title, byline;
  std::string site, description;
  std::string canonical;  // an absolute http or https address
  std::optional<int64_t> published_us;
};

// Title: JSON-LD's headline, og:title less the site's name, the page's one <h1>, <title> less the
// site's name. Published: JSON-LD, <meta>, itemprop, <time>. Site: og:site_name, JSON-LD's publisher.
// Description: og:description, <meta name="description">. Canonical: <link rel="canonical">, og:url.
// What is not stated stays empty.
// `uri` is the page's own address, to which the ones that it states may be relative, or empty.
HtmlMetadata read_metadata(const HtmlTree& tree, std::string_view uri);

// `title` less a site's name after or before a separator (" | ", " - ", " » "), where it is `site`
// or plainly shorter than the rest.
std::string without_site(const std::string& title, const std::string& site);

// Whether `longer` is `shorter` with a site's name attached by a separator.
bool is_suffixed_form(std::string_view longer, std::string_view shorter);

}  // namespace wiremill::clean
