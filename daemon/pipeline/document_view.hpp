// A flight as a plugin sees it: a wm_document whose views point into the flight. Valid until the
// flight changes or moves.
#pragma once

#include <wiremill/plugin.h>

#include <vector>

#include "daemon/host/messages.hpp"
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
  wm_document document_{};
  std::vector<wm_pair> attributes_, extensions_;
  MessageViews views_;
};

}  // namespace wiremill
