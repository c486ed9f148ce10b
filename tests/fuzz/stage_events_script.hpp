// Two stages whose processes say what a script says, for the fuzz target stage_events.cpp: the
// line's own calls, with documents, state and checks, and the daemon's end of what comes from a
// process.
//
//   E bytes      this StageEvent               X d f bytes  text of field f of document d
//   C d bytes    a carry for d                 P d n bytes  a change for d; the key has n bytes
//   R d bytes    the removal of a key          B bytes      these bytes as they are
//   H            the child hands over          A            and asks for state
//   D code       the call is over
//
// The first stage may set everything, the second everything but the text, as its descriptor says;
// both process and settle, in this order, and between them the text is segmented.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/host/answer_checks.hpp"
#include "daemon/host/event_stream.hpp"
#include "daemon/pipeline/stage_call.hpp"
#include "daemon/text/segmenter.hpp"
#include "tests/fuzz/script.hpp"

namespace wiremill::fuzz {

class ScriptedStage final : public Stage {
 public:
  ScriptedStage(std::string name, std::vector<Command>& script)
      : Stage(std::move(name), {}), script_(script) {
    static constexpr wm_option kNoOptions[] = {{}};
    static constexpr const char* kNoNames[] = {nullptr};
    const auto never = [](void*, const wm_batch*) -> int32_t { return 1; };
    descriptor_.id = "test.scripted";
    descriptor_.required = descriptor_.used = descriptor_.provided = kNoNames;
    descriptor_.options = kNoOptions;
    descriptor_.process = descriptor_.settle = never;
  }
  const wm_descriptor& descriptor() const override { return descriptor_; }
  int32_t process(const wm_batch& batch) const override { return call(batch); }
  int32_t settle(const wm_batch& batch) const override { return call(batch); }

 private:
  // As in plugin_child.cpp: after nonsense the process is ended and its documents are lost.
  int32_t call(const wm_batch& batch) const {
    std::vector<uint32_t> documents(batch.count);
    for (uint32_t i = 0; i < batch.count; ++i) documents[i] = i;
    Replay replay(batch, documents);
    const Child::OwnEvent own_event = [](const v1::StageEvent& event) {
      return event.has_log() || event.has_count() || event.has_gauge() || event.has_observe();
    };
    EventStream events(replay, own_event);
    std::string piece;
    while (!script_.empty()) {
      const Command command = script_.front();
      script_.erase(script_.begin());
      if (const auto frame = frame_of(command)) {
        append_frame(*frame, piece);
        continue;
      }
      if (command.what == 'B') {
        piece += command.argument;
        continue;
      }
      if (command.what != 'H' && command.what != 'A' && command.what != 'D') continue;
      if (!events.read(piece, command.what != 'H')) return lose_all(batch);
      piece.clear();
      if (command.what == 'D') return static_cast<int8_t>(command.byte(0));
      if (command.what != 'A') continue;
      Answers answers;
      if (!replay.answer(events.asked(), answers)) return lose_all(batch);
    }
    return 0;
  }

  static std::optional<Frame> frame_of(const Command& command) {
    const uint32_t document = command.byte(0);
    switch (command.what) {
      case 'E': return Frame{Frame::Kind::Event, 0, {}, command.argument};
      case 'X':
        return Frame{Frame::Kind::Text, document, command.behind(1).substr(0, 1),
                     command.behind(2)};
      case 'C': return Frame{Frame::Kind::Carry, document, {}, command.behind(1)};
      case 'R': return Frame{Frame::Kind::Remove, document, command.behind(1), {}};
      case 'P': {
        const std::string_view all = command.behind(2);
        const size_t key_bytes = std::min<size_t>(command.byte(1), all.size());
        return Frame{Frame::Kind::Put, document, all.substr(0, key_bytes), all.substr(key_bytes)};
      }
      default: return std::nullopt;
    }
  }

  static int32_t lose_all(const wm_batch& batch) {
    for (uint32_t i = 0; i < batch.count; ++i)
      batch.output->verdict(&batch, i, WM_BAD_DOCUMENT, view_of("CRASHED"), view_of(""));
    return 0;
  }

  // Within what a reply may have, in the order of keys.
  struct Answers final : StateAnswer {
    void value(bool, wm_view value) override { bytes += value.size; }
    void entry(wm_view key, wm_view) override {
      WM_INVARIANT(last.empty() || last < as_string_view(key));
      last = as_string_view(key);
    }
    void more() override {}
    void refused(int32_t error) override { WM_INVARIANT(error != WM_ERROR_NONE); }
    std::string last;
    size_t bytes = 0;
  };

  std::vector<Command>& script_;
  wm_descriptor descriptor_{};
};

// Runs the script and checks what became of the documents.
class StageEventsScript {
 public:
  explicit StageEventsScript(std::vector<Command> script) : script_(std::move(script)) {
    for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
      Flight& flight = flights_.emplace_back();
      flight.result.set_sequence(sequence);
      flight.first_sequence = sequence;
      flight.document.set_body("body of \xc3\xa4 document");
      flight.result.set_text("A te\xc3\xa4xt. Of two sentences.");
    }
  }

  void run() {
    static const std::unique_ptr<StateStore> state =
        StateStore::open("", {"stage/first", "stage/second"}).value();
    static text::Segmenter segmenter;
    Calls calls;
    for (const char* name : {"first", "second"}) {
      const ScriptedStage stage(name, script_);
      LineStage entry;
      entry.stage = &stage;
      entry.wanted = ~Annotations{0};
      entry.provided = name == std::string_view("first") ? ~Annotations{0} : ~Annotations{kText};
      entry.attempts_max = 2;
      entry.space = state->space("stage/" + std::string(name));
      entry.calls = &calls;
      state->drop_above(entry.space, 0);  // what the input before wrote
      WM_INVARIANT(call_process(entry, flights_));
      check();
      WM_INVARIANT(call_settle(entry, flights_, *state));
      check();
      for (Flight& flight : flights_)
        if (flight.in_line() && name == std::string_view("first"))
          segmenter.segment(flight.result.text(), "", flight.segmentation);
    }
  }

 private:
  // What the next stage reads, in this process.
  void check() const {
    for (const Flight& flight : flights_) {
      const v1::Result& result = flight.result;
      check_spans(result.sentences(), result.text());
      for (const auto& sentence : flight.segmentation.sentences)
        check_span(sentence.begin, sentence.end, result.text());
      for (const auto& token : flight.segmentation.tokens)
        check_span(token.begin, token.end, result.text());
      for (const auto& paragraph : result.paragraphs()) {
        check_span(paragraph.begin(), paragraph.end(), result.text());
        WM_INVARIANT(paragraph.body_begin() <= paragraph.body_end());
        WM_INVARIANT(paragraph.body_end() <= flight.document.body().size());
      }
      check_spans(result.language().spans(), result.text());
      for (const auto& entity : result.entities()) check_spans(entity.mentions(), result.text());
      check_spans(result.summary().sentences(), result.text());
      size_t changed = 0;
      for (const FlightChange& change : flight.changes)
        changed += change.key.size() + change.value.size();
      WM_INVARIANT(changed <= 2 * kChangesBytesMax);
      WM_INVARIANT(flight.in_line() || result.has_failure());
    }
  }
  static void check_spans(const auto& spans, std::string_view text) {
    for (const auto& span : spans) check_span(span.begin(), span.end(), text);
  }
  static void check_span(uint32_t begin, uint32_t end, std::string_view text) {
    WM_INVARIANT(begin <= end && end <= text.size());
    for (const uint32_t at : {begin, end})
      WM_INVARIANT(at == text.size() || (text[at] & 0xc0) != 0x80);
  }

  std::vector<Command> script_;
  std::vector<Flight> flights_;
};

}  // namespace wiremill::fuzz
