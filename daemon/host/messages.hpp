// Annotations from the plugin contract's structs to protobuf's messages and back. Stateless.
#pragma once

#include <wiremill/plugin.h>

#include <string>
#include <vector>

#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/stage.pb.h"

namespace wiremill {

// Replace what the message held.
void copy(const wm_language& from, v1::Language& to);
void copy(const wm_entity& from, v1::Entity& to);
void copy(const wm_duplicate& from, v1::Duplicate& to);
void copy(const wm_summary& from, v1::Summary& to);

// Which parts of a document go to a program: what its descriptor requires or uses.
struct DocumentParts {
  bool body = false, text = false, sentences = false, tokens = false, language = false;
  bool entities = false, duplicate = false, summary = false, extensions = false;
};
DocumentParts parts_of(const v1::StageDescriptor& descriptor);
void copy(const wm_document& from, const DocumentParts& parts, v1::StageDocument& to);

inline wm_view view_of(std::string_view text) { return {text.data(), text.size()}; }
wm_duplicate view_of(const v1::Duplicate& duplicate);

// Messages as the contract's structs. What it answers points into the messages and into itself, and
// is valid until either changes.
class MessageViews {
 public:
  MessageViews() = default;
  MessageViews(const MessageViews&) = delete;
  MessageViews& operator=(const MessageViews&) = delete;

  wm_language language(const v1::Language& language);
  const std::vector<wm_entity>& entities(
      const google::protobuf::RepeatedPtrField<v1::Entity>& entities);
  wm_summary summary(const v1::Summary& summary);

 private:
  std::vector<wm_alternative> alternatives_;
  std::vector<wm_language_span> language_spans_;
  std::vector<wm_entity> entities_;
  std::vector<wm_mention> mentions_;  // of all entities, one after the other
  std::vector<wm_span> sentences_;
  std::vector<wm_view> keywords_;
};

}  // namespace wiremill
