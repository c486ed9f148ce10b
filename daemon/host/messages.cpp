#include "daemon/host/messages.hpp"

#include <algorithm>
#include <span>
#include <string_view>

#include "daemon/host/answer_checks.hpp"

namespace wiremill {

namespace {

std::string string_of(wm_view view) { return std::string(as_string_view(view)); }

}  // namespace

void copy(const wm_language& from, v1::Language& to) {
  to.Clear();
  to.set_code(string_of(from.code));
  to.set_confidence(from.confidence);
  to.set_script(string_of(from.script));
  for (size_t i = 0; i < from.alternatives_count; ++i) {
    auto& alternative = *to.add_alternatives();
    alternative.set_code(string_of(from.alternatives[i].code));
    alternative.set_confidence(from.alternatives[i].confidence);
  }
  for (size_t i = 0; i < from.spans_count; ++i) {
    auto& span = *to.add_spans();
    span.set_begin(from.spans[i].span.begin);
    span.set_end(from.spans[i].span.end);
    span.set_code(string_of(from.spans[i].code));
  }
}

void copy(const wm_entity& from, v1::Entity& to) {
  to.Clear();
  to.set_type(string_of(from.type));
  to.set_name(string_of(from.name));
  to.set_confidence(from.confidence);
  for (size_t i = 0; i < from.mentions_count; ++i) {
    auto& mention = *to.add_mentions();
    mention.set_begin(from.mentions[i].span.begin);
    mention.set_end(from.mentions[i].span.end);
    mention.set_confidence(from.mentions[i].confidence);
  }
}

void copy(const wm_duplicate& from, v1::Duplicate& to) {
  to.Clear();
  to.set_kind(static_cast<v1::Duplicate::Kind>(from.kind));
  to.set_of(string_of(from.of));
  to.set_similarity(from.similarity);
  to.set_containment(from.containment);
  to.set_cluster(string_of(from.cluster));
  to.set_story(string_of(from.story));
  to.set_follows(string_of(from.follows));
}

void copy(const wm_summary& from, v1::Summary& to) {
  to.Clear();
  to.set_text(string_of(from.text));
  for (size_t i = 0; i < from.sentences_count; ++i) {
    v1::Span& span = *to.add_sentences();
    span.set_begin(from.sentences[i].begin);
    span.set_end(from.sentences[i].end);
  }
  for (size_t i = 0; i < from.keywords_count; ++i) to.add_keywords(string_of(from.keywords[i]));
}

DocumentParts parts_of(const v1::StageDescriptor& descriptor) {
  const auto reads = [&](std::string_view name) {
    const auto is_it = [&](const std::string& each) { return each == name; };
    return std::ranges::any_of(descriptor.required(), is_it) ||
           std::ranges::any_of(descriptor.used(), is_it);
  };
  const auto is_extension = [](const std::string& name) { return name.starts_with("extensions"); };
  DocumentParts parts{descriptor.reads_body(), reads("text"),     reads("sentences"),
                      reads("tokens"),         reads("language"), reads("entities"),
                      reads("duplicate"),      reads("summary"),  false};
  parts.text |= parts.sentences || parts.tokens;
  parts.extensions = std::ranges::any_of(descriptor.required(), is_extension) ||
                     std::ranges::any_of(descriptor.used(), is_extension);
  return parts;
}

void copy(const wm_document& from, const DocumentParts& parts, v1::StageDocument& to) {
  to.set_sequence(from.sequence);
  to.set_first_sequence(from.first_sequence);
  to.set_accepted_at_us(from.accepted_at_us);
  to.set_id(string_of(from.id));
  to.set_source(string_of(from.source));
  to.set_uri(string_of(from.uri));
  to.set_content_type(string_of(from.content_type));
  for (const wm_pair& pair : std::span(from.attributes, from.attributes_count))
    (*to.mutable_attributes())[string_of(pair.name)] = string_of(pair.value);
  to.set_title(string_of(from.title));
  to.set_byline(string_of(from.byline));
  to.set_dateline(string_of(from.dateline));
  if (from.published_us != WM_NO_TIME) to.set_published_us(from.published_us);
  to.set_carry(string_of(from.carry));
  if (parts.body) to.set_body(string_of(from.body));
  if (parts.text) to.set_text(string_of(from.text));
  if (parts.sentences)
    for (const wm_span& sentence : std::span(from.sentences, from.sentences_count)) {
      v1::Span& span = *to.add_sentences();
      span.set_begin(sentence.begin);
      span.set_end(sentence.end);
    }
  if (parts.tokens)
    for (const wm_token& token : std::span(from.tokens, from.tokens_count)) {
      v1::StageDocument::Token& each = *to.add_tokens();
      each.set_begin(token.begin);
      each.set_end(token.end);
      each.set_sentence(token.sentence);
      each.set_kind(static_cast<v1::StageDocument::Token::Kind>(token.kind));
    }
  if (parts.language) copy(from.language, *to.mutable_language());
  if (parts.entities)
    for (const wm_entity& entity : std::span(from.entities, from.entities_count))
      copy(entity, *to.add_entities());
  if (parts.duplicate) copy(from.duplicate, *to.mutable_duplicate());
  if (parts.summary) copy(from.summary, *to.mutable_summary());
  if (parts.extensions)
    for (const wm_pair& pair : std::span(from.extensions, from.extensions_count)) {
      v1::Extension& extension = *to.add_extensions();
      extension.set_name(string_of(pair.name));
      extension.set_json(string_of(pair.value));
    }
}

wm_duplicate view_of(const v1::Duplicate& duplicate) {
  return {static_cast<uint32_t>(duplicate.kind()),
          view_of(duplicate.of()),
          duplicate.similarity(),
          duplicate.containment(),
          view_of(duplicate.cluster()),
          view_of(duplicate.story()),
          view_of(duplicate.follows())};
}

wm_language MessageViews::language(const v1::Language& language) {
  alternatives_.clear();
  language_spans_.clear();
  for (const auto& alternative : language.alternatives())
    alternatives_.push_back({view_of(alternative.code()), alternative.confidence()});
  for (const auto& span : language.spans())
    language_spans_.push_back({{span.begin(), span.end()}, view_of(span.code())});
  return {view_of(language.code()), language.confidence(), view_of(language.script()),
          alternatives_.data(),     alternatives_.size(),  language_spans_.data(),
          language_spans_.size()};
}

const std::vector<wm_entity>& MessageViews::entities(
    const google::protobuf::RepeatedPtrField<v1::Entity>& entities) {
  entities_.clear();
  mentions_.clear();
  size_t mentions_count = 0;
  for (const v1::Entity& entity : entities)
    mentions_count += static_cast<size_t>(entity.mentions_size());
  mentions_.reserve(mentions_count);  // entities point into it
  for (const v1::Entity& entity : entities) {
    const size_t first = mentions_.size();
    for (const auto& mention : entity.mentions())
      mentions_.push_back({{mention.begin(), mention.end()}, mention.confidence()});
    entities_.push_back({view_of(entity.type()), view_of(entity.name()), entity.confidence(),
                         mentions_.data() + first, mentions_.size() - first});
  }
  return entities_;
}

wm_summary MessageViews::summary(const v1::Summary& summary) {
  sentences_.clear();
  keywords_.clear();
  for (const v1::Span& span : summary.sentences()) sentences_.push_back({span.begin(), span.end()});
  for (const std::string& keyword : summary.keywords()) keywords_.push_back(view_of(keyword));
  return {view_of(summary.text()), sentences_.data(), sentences_.size(), keywords_.data(),
          keywords_.size()};
}

}  // namespace wiremill
