#include "daemon/pipeline/document_view.hpp"

#include <algorithm>
#include <string>

namespace wiremill {

DocumentView::DocumentView(const Flight& flight, Annotations wanted) {
  const v1::Document& submitted = flight.document;
  const v1::Result& result = flight.result;
  document_.struct_size = sizeof(wm_document);
  document_.sequence = result.sequence();
  document_.accepted_at_us = flight.accepted_at_us;
  document_.id = view_of(result.id());
  document_.source = view_of(result.source());
  document_.uri = view_of(result.uri());
  document_.content_type = view_of(submitted.content_type());
  document_.body = view_of(submitted.body());
  for (const auto& [name, value] : submitted.attributes())
    attributes_.push_back({view_of(name), view_of(value)});
  std::sort(attributes_.begin(), attributes_.end(), [](const wm_pair& a, const wm_pair& b) {
    return std::string_view(a.name.data, a.name.size) < std::string_view(b.name.data, b.name.size);
  });
  document_.attributes = attributes_.data();
  document_.attributes_count = attributes_.size();
  document_.title = view_of(result.title());
  document_.byline = view_of(result.byline());
  document_.dateline = view_of(result.dateline());
  document_.published_us = result.has_published_us() ? result.published_us() : WM_NO_TIME;
  document_.text = view_of(result.text());
  if ((wanted & kSegments) != 0) {
    document_.sentences = flight.segmentation.sentences.data();
    document_.sentences_count = flight.segmentation.sentences.size();
    document_.tokens = flight.segmentation.tokens.data();
    document_.tokens_count = flight.segmentation.tokens.size();
  }
  document_.carry = view_of(flight.carry);
  document_.first_sequence = flight.first_sequence;
  if ((wanted & kLanguage) != 0) document_.language = views_.language(result.language());
  if ((wanted & kEntities) != 0) {
    const std::vector<wm_entity>& entities = views_.entities(result.entities());
    document_.entities = entities.data();
    document_.entities_count = entities.size();
  }
  if ((wanted & kSummary) != 0) document_.summary = views_.summary(result.summary());
  if ((wanted & kDuplicate) != 0) document_.duplicate = view_of(result.duplicate());
  if ((wanted & kExtensions) != 0) {
    for (const v1::Extension& extension : result.extensions())
      extensions_.push_back({view_of(extension.name()), view_of(extension.json())});
    document_.extensions = extensions_.data();
    document_.extensions_count = extensions_.size();
  }
}

}  // namespace wiremill
