// One crossing from the host to a stage: hands documents over as views, takes what the stage says of
// them through the host's functions (wm_output, wm_state), and applies it where it shall. Made for the
// call by stage_call.cpp; its thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/host/answer_checks.hpp"
#include "daemon/pipeline/calls.hpp"
#include "daemon/pipeline/document_view.hpp"
#include "daemon/pipeline/stage_call.hpp"

namespace wiremill {

// What a plugin said about one document in one call.
struct Answer {
  uint32_t verdict = WM_OK;
  std::string code, message;
  v1::Result patch;     // only the fields that were set
  Annotations set = 0;  // which ones
  std::optional<std::string> carry;
  std::vector<FlightChange> changes;
  size_t changes_bytes = 0;  // of all that was asked for since it was last forgotten
  bool is_over_limit() const { return changes_bytes > kChangesBytesMax; }  // DEAD, whatever it says
};

class Call {
 public:
  // `state`: null in process. `left_ns`: how much of the stage's timeout each of them has; 0: none.
  Call(const LineStage& stage, std::vector<Flight*> flights, StateStore* state,
       int64_t left_ns = 0);

  // Runs the stage once over all documents. False: the stage gave up the batch as a whole, or was told
  // to: then no answer counts.
  bool run();
  const Calls::Scope& scope() const { return scope_; }
  const Answer& answer(size_t index) const { return answers_[index]; }
  // An error that is not the documents': of the state store (the stage was told WM_ERROR_IO), a stage
  // that is broken, or a line whose calls were stopped.
  const Status& status() const { return status_; }
  // Takes over what was said about a document whose verdict is WM_OK.
  void apply(size_t index);
  // Enters the changes of a document into the state store and its record.
  void keep_changes(size_t index);

 private:
  static Call& of(const wm_batch* batch) { return *static_cast<Call*>(batch->host_data); }
  Answer* at(uint32_t index) { return index < answers_.size() ? &answers_[index] : nullptr; }
  std::string_view text_of(uint32_t index) const;
  void decide(Answer& answer, uint32_t verdict, std::string_view code, std::string_view message);
  int32_t change(uint32_t index, wm_view key, std::optional<wm_view> value);
  void rebuild_overlay();

  static void verdict(const wm_batch*, uint32_t, uint32_t, wm_view, wm_view);
  static int32_t set_text(const wm_batch*, uint32_t, uint32_t, wm_view);
  static int32_t set_published(const wm_batch*, uint32_t, int64_t);
  static int32_t set_paragraphs(const wm_batch*, uint32_t, const wm_paragraph*, size_t);
  static int32_t set_language(const wm_batch*, uint32_t, const wm_language*);
  static int32_t set_entities(const wm_batch*, uint32_t, const wm_entity*, size_t);
  static int32_t set_duplicate(const wm_batch*, uint32_t, const wm_duplicate*);
  static int32_t set_summary(const wm_batch*, uint32_t, const wm_summary*);
  static int32_t set_extension(const wm_batch*, uint32_t, wm_view);
  static int32_t carry(const wm_batch*, uint32_t, wm_view);
  static void begin(const wm_batch*, uint32_t);
  static int32_t get_many(const wm_batch*, const wm_view*, size_t, wm_found_fn, void*);
  static int32_t put(const wm_batch*, uint32_t, wm_view, wm_view);
  static int32_t remove(const wm_batch*, uint32_t, wm_view);
  static int32_t scan(const wm_batch*, wm_view, wm_view, wm_scanned_fn, void*);
  static const wm_output kOutput;
  static const wm_state kState;

  const LineStage& stage_;
  std::vector<Flight*> flights_;
  StateStore* state_;
  Calls::Scope scope_;
  Status status_;
  std::deque<DocumentView> views_;
  std::vector<const wm_document*> documents_;
  std::vector<Answer> answers_;
  // What this call wrote so far, for its own reads; nullopt is a removal.
  std::map<std::string, std::optional<std::string>, std::less<>> overlay_;
};

}  // namespace wiremill
