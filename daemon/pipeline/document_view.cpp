#include "daemon/pipeline/document_view.hpp"

#include <algorithm>
#include <string>

namespace wiremill {
namespace {

wm_view view_of(const std::string& text) { return {text.data(), text.size()}; }

}  // namespace

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
  document_.sentences = flight.segmentation.sentences.data();
  document_.sentences_count = flight.segmentation.sentences.size();
  document_.tokens = flight.segmentation.tokens.data();
  document_.tokens_count = flight.segmentation.tokens.size();
  document_.carry = view_of(flight.carry);
  document_.first_sequence = flight.first_sequence;
  if ((wanted & kLanguage) != 0) fill_language(result.language());
  if ((wanted & kEntities) != 0) fill_entities(result);
  if ((wanted & kSummary) != 0) fill_summary(result.summary());
  if ((wanted & kDuplicate) != 0) {
    const v1::Duplicate& duplicate = result.duplicate();
    document_.duplicate = {static_cast<uint32_t>(duplicate.kind()),
                           view_of(duplicate.of()),
                           duplicate.similarity(),
                           duplicate.containment(),
                           view_of(duplicate.cluster()),
                           view_of(duplicate.story()),
                           view_of(duplicate.follows())};
  }
  if ((wanted & kExtensions) != 0) {
    for (const v1::Extension& extension : result.extensions())
      extensions_.push_back({view_of(extension.name()), view_of(extension.json())});
    document_.extensions = extensions_.data();
    document_.extensions_count = extensions_.size();
  }
}

void DocumentView::fill_language(const v1::Language& language) {
  for (const auto& alternative : language.alternatives())
    alternatives_.push_back({view_of(alternative.code()), alternative.confidence()});
  for (const auto& span : language.spans())
    language_spans_.push_back({{span.begin(), span.end()}, view_of(span.code())});
  document_.language = {view_of(language.code()), language.confidence(), view_of(language.script()),
                        alternatives_.data(),     alternatives_.size(),  language_spans_.data(),
                        language_spans_.size()};
}

void DocumentView::fill_entities(const v1::Result& result) {
  size_t mentions_count = 0;
  for (const v1::Entity& entity : result.entities())
    mentions_count += static_cast<size_t>(entity.mentions_size());
  mentions_.reserve(mentions_count);  // entities point into it
  for (const v1::Entity& entity : result.entities()) {
    const size_t first = mentions_.size();
    for (const auto& mention : entity.mentions())
      mentions_.push_back({{mention.begin(), mention.end()}, mention.confidence()});
    entities_.push_back({view_of(entity.type()), view_of(entity.name()), entity.confidence(),
                         mentions_.data() + first, mentions_.size() - first});
  }
  document_.entities = entities_.data();
  document_.entities_count = entities_.size();
}

void DocumentView::fill_summary(const v1::Summary& summary) {
  for (const v1::Span& span : summary.sentences())
    summary_sentences_.push_back({span.begin(), span.end()});
  for (const std::string& keyword : summary.keywords()) keywords_.push_back(view_of(keyword));
  document_.summary = {view_of(summary.text()), summary_sentences_.data(),
                       summary_sentences_.size(), keywords_.data(), keywords_.size()};
}

}  // namespace wiremill
