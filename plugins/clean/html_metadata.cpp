// A page's own statements about its article; see html_metadata.hpp.
#include "plugins/clean/html_metadata.hpp"

#include <array>
#include <string_view>
#include <vector>

#include "plugins/clean/address.hpp"
#include "plugins/clean/dateline.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/json_ld.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

constexpr std::array<std::string_view, 9> kSeparators = {
    " | ",  " - ",        " \xe2\x80\x93 ", " \xe2\x80\x94 ",
    " :: ", " \xc2\xbb ", " \xc2\xb7 ",     " \xe2\x80\xa2 ",
    " / "};

constexpr std::array<std::string_view, 16> kDateNames = {"article:published_time",
                                                         "og:article:published_time",
                                                         "og:published_time",
                                                         "datepublished",
                                                         "date",
                                                         "pubdate",
                                                         "publishdate",
                                                         "publish-date",
                                                         "publish_date",
                                                         "dc.date",
                                                         "dc.date.issued",
                                                         "dcterms.created",
                                                         "dc.date.created",
                                                         "parsely-pub-date",
                                                         "sailthru.date",
                                                         "article.published"};

constexpr size_t kSubheadingsMax = 8;

std::optional<int64_t> date_in(std::string_view text) {
  const auto date = find_date(text);
  if (!date) return std::nullopt;
  return date->at_us;
}

bool is_date_name(std::string_view name) {
  const std::string lowered = lower_ascii(name);
  for (const std::string_view known : kDateNames)
    if (lowered == known) return true;
  return false;
}

// Facts in order of the trust that they deserve; the first that is there wins.
struct Found {
  std::string headline, og_title, page_title, heading, site, ld_authors, meta_author, rel_author;
  std::string publisher, og_description, meta_description, canonical, og_url;
  std::vector<std::string> subheadings;  // <h2> to <h6>, the first few
  std::optional<int64_t> ld_date, meta_date, item_date, time_date;
  size_t headings = 0;
};

void read_meta(const HtmlAttributes& attributes, std::string_view uri, Found& found) {
  const std::string_view name =
      attributes.property.empty()
          ? (attributes.name.empty() ? attributes.itemprop : attributes.name)
          : attributes.property;
  if (attributes.content.empty()) return;
  const std::string lowered = lower_ascii(name);
  if (lowered == "og:title" && found.og_title.empty())
    found.og_title = tidy(attributes.content);
  else if (lowered == "og:site_name" && found.site.empty())
    found.site = tidy(attributes.content);
  else if (lowered == "og:description" && found.og_description.empty())
    found.og_description = tidy(attributes.content);
  else if (lowered == "description" && found.meta_description.empty())
    found.meta_description = tidy(attributes.content);
  else if (lowered == "og:url" && found.og_url.empty())
    found.og_url = absolute_address(attributes.content, uri);
  else if ((lowered == "author" || lowered == "article:author" || lowered == "dc.creator" ||
            lowered == "parsely-author") &&
           found.meta_author.empty() && attributes.content.find("://") == std::string_view::npos)
    found.meta_author = tidy(attributes.content);
  else if (is_date_name(name) && !found.meta_date)
    found.meta_date = date_in(attributes.content);
}

// Of a page's title with a site's name about it, the part that a heading of the page repeats.
std::string heading_within(const Found& found, const std::string& page) {
  for (const std::string& heading : found.subheadings)
    if (shape_of(heading).words >= 3 && is_suffixed_form(page, heading)) return heading;
  return page;
}

std::string without_by(const std::string& author) {
  const std::string named = find_byline(author);
  return named.empty() ? author : named;
}

}  // namespace

std::string without_site(const std::string& title, const std::string& site) {
  std::string rest = title;
  const std::string site_folded = fold(site);
  for (int round = 0; round < 2; ++round) {
    size_t cut = std::string::npos, size = 0;
    for (const std::string_view separator : kSeparators) {
      const size_t found = rest.rfind(separator);
      if (found != std::string::npos && (cut == std::string::npos || found > cut))
        cut = found, size = separator.size();
    }
    if (cut == std::string::npos) break;
    const std::string head = rest.substr(0, cut), tail = rest.substr(cut + size);
    const std::string tail_folded = fold(tail);
    const bool is_site =
        !site_folded.empty() && (tail_folded == site_folded || site_folded.find(tail_folded) == 0 ||
                                 tail_folded.find(site_folded) == 0);
    const bool is_short = shape_of(tail).words <= 4 && shape_of(head).words >= 4 &&
                          shape_of(head).length > 2 * shape_of(tail).length;
    if (!is_site && !is_short) break;
    rest = tidy(head);
  }
  if (!site_folded.empty()) {
    for (const std::string_view separator : kSeparators) {
      const size_t found = rest.find(separator);
      if (found != std::string::npos && fold(rest.substr(0, found)) == site_folded)
        return tidy(rest.substr(found + separator.size()));
    }
  }
  return rest;
}

bool is_suffixed_form(std::string_view longer, std::string_view shorter) {
  if (shorter.empty() || longer.size() <= shorter.size()) return false;
  const auto separated = [](std::string_view rest, bool before) {
    for (const std::string_view separator : kSeparators)
      if (before ? rest.ends_with(separator) : rest.starts_with(separator)) return true;
    return false;
  };
  if (longer.starts_with(shorter) && separated(longer.substr(shorter.size()), false)) return true;
  return longer.ends_with(shorter) &&
         separated(longer.substr(0, longer.size() - shorter.size()), true);
}

HtmlMetadata read_metadata(const HtmlTree& tree, std::string_view uri) {
  Found found;
  const std::vector<HtmlNode>& nodes = tree.nodes();
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const HtmlNode& node = nodes[i];
    const HtmlAttributes& attributes = tree.attributes(node);
    switch (node.tag) {
      case Tag::kMeta: read_meta(attributes, uri, found); break;
      case Tag::kTitle:
        if (found.page_title.empty()) found.page_title = tree.text_of(i);
        break;
      case Tag::kHeading1:
        ++found.headings;
        if (found.heading.empty() || attributes.itemprop == "headline") {
          if (std::string text = tree.text_of(i); !text.empty()) found.heading = std::move(text);
        }
        break;
      case Tag::kHeading:
        if (found.subheadings.size() < kSubheadingsMax)
          found.subheadings.push_back(tree.text_of(i));
        break;
      case Tag::kJsonLd:
        if (found.headline.empty()) {
          JsonLdArticle article = read_json_ld(node.text);
          if (!article.found) break;
          found.headline = std::move(article.headline);
          found.ld_authors = std::move(article.authors);
          found.publisher = std::move(article.publisher);
          if (!found.ld_date) found.ld_date = date_in(article.published);
        }
        break;
      case Tag::kLinkElement:
        if (found.canonical.empty() && lower_ascii(attributes.rel) == "canonical")
          found.canonical = absolute_address(attributes.href, uri);
        break;
      default: break;
    }
    if (attributes.itemprop == "datePublished" && !found.item_date && node.tag != Tag::kMeta) {
      found.item_date =
          date_in(attributes.datetime.empty() ? attributes.content : attributes.datetime);
      if (!found.item_date) found.item_date = date_in(tree.text_of(i));
    } else if (node.tag == Tag::kTime && !found.time_date) {
      found.time_date = date_in(attributes.datetime);
      if (!found.time_date) found.time_date = date_in(tree.text_of(i));
    }
    if (found.rel_author.empty() && (attributes.rel == "author" || attributes.itemprop == "author"))
      if (std::string name = tree.text_of(i); name.size() <= 80) found.rel_author = std::move(name);
  }

  HtmlMetadata metadata;
  metadata.site = found.site.empty() ? found.publisher : found.site;
  metadata.description =
      found.og_description.empty() ? found.meta_description : found.og_description;
  metadata.canonical = found.canonical.empty() ? found.og_url : found.canonical;
  const std::string og = without_site(found.og_title, found.site);
  const std::string page = without_site(found.page_title, found.site);
  const bool heading_fits = !found.heading.empty() && shape_of(found.heading).words >= 2;
  // A heading that the page's <title> begins with is the title as its writer put it.
  if (heading_fits && !found.page_title.empty() &&
      fold(found.page_title).starts_with(fold(found.heading)))
    metadata.title = found.heading;
  else if (!found.headline.empty())
    metadata.title = without_site(found.headline, found.site);
  else if (!og.empty())
    metadata.title = og;
  else if (heading_fits && found.headings == 1)
    metadata.title = found.heading;
  else if (!page.empty())
    metadata.title = heading_within(found, page);
  else
    metadata.title = found.heading;

  for (const auto& date : {found.ld_date, found.meta_date, found.item_date, found.time_date})
    if (date && !metadata.published_us) metadata.published_us = date;
  for (const std::string* author : {&found.ld_authors, &found.meta_author, &found.rel_author})
    if (metadata.byline.empty()) metadata.byline = without_by(*author);
  return metadata;
}

}  // namespace wiremill::clean
