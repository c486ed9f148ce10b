// The host's side of the contract inside a stage's own process: the functions that the plugin calls.
// What it says is checked, noted as an event and handed to the daemon when the outbox is full, when
// the plugin asks for state, and when the call is over. What it counts and observes until then is added
// up, so a plugin may do so in its innermost loop.
#pragma once

#include <wiremill/plugin.h>

#include <string>
#include <vector>

#include "daemon/base/thread.hpp"
#include "daemon/host/channel.hpp"
#include "daemon/host/frames.hpp"
#include "daemon/plugin/stage_metrics.hpp"
#include "wiremill/v1/stage.pb.h"

namespace wiremill {

class Recorder {
 public:
  Recorder(Channel& channel, int64_t deadline_us) : channel_(channel), deadline_us_(deadline_us) {}

  // For create; lives as long as this. `stage` and `plugin_directory` likewise.
  const wm_host* host(std::string_view stage, std::string_view plugin_directory);

  // One call of the plugin's. [the main thread of the child]
  void call(const wm_descriptor& descriptor, void* instance, Handover what,
            const std::vector<const wm_document*>& documents);

 private:
  static Recorder& of(const wm_batch* batch) { return *static_cast<Recorder*>(batch->host_data); }
  bool knows(uint32_t document) const { return document < documents_->size(); }
  std::string_view text_of(uint32_t document) const;
  // An event of the call; `document` is its index.
  v1::StageEvent event_for(uint32_t document) const;
  void note(const v1::StageEvent& event);
  void note(const Frame& frame);
  // A change of state. Where it goes over the limit the daemon hears of it once, and the plugin each time.
  int32_t note_change(Frame::Kind kind, uint32_t document, wm_view key, wm_view value);
  void note_metrics() WM_REQUIRES(mutex_);
  // Hands over all that was noted, the last piece as `what`, and waits for the daemon.
  void flush(Handover what);
  // The frames of the answer to a Get or a Scan.
  std::string ask(const v1::StageEvent& event);

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
  static void log(const wm_host*, uint32_t, wm_view);
  static void count(const wm_host*, wm_view, uint64_t);
  static const void* get_extension(const wm_host*, const char*);
  static void gauge(const wm_host*, wm_view, double);
  static void observe(const wm_host*, wm_view, double);
  static int64_t clock_us(const wm_host*);
  static const wm_output kOutput;
  static const wm_state kState;

  Channel& channel_;
  const int64_t deadline_us_;
  wm_host host_{};
  bool settling_ = false, provides_text_ = false;
  const std::vector<const wm_document*>* documents_ = nullptr;
  std::vector<std::string> texts_;  // set in this call
  std::vector<bool> has_text_;
  std::vector<size_t> changes_bytes_;

  Mutex mutex_;  // log, count, gauge and observe come from any thread
  std::string noted_ WM_GUARDED_BY(mutex_);
  StageMetrics metrics_ WM_GUARDED_BY(mutex_);  // since the last flush
};

// Hands something over to the daemon and waits for what it says. Ends the process where the channel is
// gone.
void tell_daemon(Channel& channel, Handover what, std::string_view outbox);

}  // namespace wiremill
