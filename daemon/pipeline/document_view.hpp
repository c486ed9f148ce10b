// A flight as a plugin sees it: a wm_document whose views point into the flight. Valid until the
// flight changes or moves.
#pragma once

#include <wiremill/plugin.h>

#include <deque>
#include <vector>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/pipeline/flight.hpp"

namespace wiremill {

class DocumentView {
 public:
  // Fills only what is in `wanted` beside the fields that every stage gets.
  DocumentView(const Flight& flight, Annotations wanted);
  DocumentView(const DocumentView&) = delete;
  DocumentView& operator=(const DocumentView&) = delete;
  const wm_document* get() const { return &document_; }

 private:
  void fill_language(const v1::Language& language);
  void fill_entities(const v1::Result& result);
  void fill_summary(const v1::Summary& summary);

  wm_document document_{};
  std::vector<wm_pair> attributes_, extensions_;
  std::vector<wm_alternative> alternatives_;
  std::vector<wm_language_span> language_spans_;
  std::vector<wm_entity> entities_;
  std::vector<wm_mention> mentions_;  // of all entities, one after the other
  std::vector<wm_span> summary_sentences_;
  std::vector<wm_view> keywords_;
};

}  // namespace wiremill
