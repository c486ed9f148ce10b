// The pipeline: takes records of the intake log through the line, in batches and in parallel, and
// hands their results over in sequence order.
//
//   read ─► batch ─ step ─ step ─┤ordered│─ step ─┤ordered│─ … ─ finish ─┤emit├─► result record
//
// Workers carry a batch from step to step. At an ordered point (a settle, and the emission) batches
// pass one at a time in the order in which they were read; a batch that comes too early is parked
// there and its worker takes other work, the oldest batch first. At most `window_*` are between
// reading and release, so a slow point holds up reading and nothing else.
//
// The same records give the same results for any number of threads: process sees one document,
// settle and emission see all in order, and nothing else has memory.
//
// The line can be replaced while documents are in it. What is read from then on goes through the
// new line; at its first settle that waits until the old line's documents are behind their last
// one. So every settle still sees all documents in order, and stages find by their names what was
// remembered before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/pipeline/state_versions.hpp"
#include "daemon/pipeline/totals.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

struct PipelineOptions {
  uint32_t threads = 1;
  uint32_t batch_documents_max = 32;
  int64_t batch_bytes_max = 4 << 20;
  uint32_t window_documents = 1024;
  int64_t window_bytes = 256 << 20;
  size_t topics_max = 100'000;
  Totals totals{};                      // of the results before the first one read (read_totals)
  DeadLetters* dead_letters = nullptr;  // told of every outcome; null: documents that die are gone
  // Documents that a stage died in stand in this mapped file (stage_marker.hpp); empty: none.
  std::string marker_path{};
  bool timings = false;  // note in the results how long stages took
};

// Where records come from and results go. All functions are called by workers.
struct PipelinePorts {
  // The next records, at most so many documents and about so many bytes; none where nothing is
  // ready (the pipeline asks again after wake()). One call at a time.
  std::function<Status(size_t documents_max, size_t bytes_max, std::vector<LogRecord>& records)>
      read;
  // Takes a serialised ResultRecord. One call at a time, sequences ascending without gap. May
  // block. An error stops the pipeline.
  std::function<Status(uint64_t sequence, std::string record)> emit;
  // Told once when the pipeline stops because read, emit or the state store failed.
  std::function<void(const Error& error)> failed;
};

class Pipeline {
 public:
  // Every key space that a pipeline with this line and with dead letters needs of the state store.
  static std::vector<std::string> spaces(const Line& line);

  // `state`, which has those spaces, and the dead letters outlive it. Errors: Io (the state store,
  // the marker), Config (a stage whose state has another version).
  static Result<std::unique_ptr<Pipeline>> make(std::shared_ptr<Line> line, StateStore& state,
                                                const PipelineOptions& options,
                                                PipelinePorts ports);
  // Stops as stop() does.
  ~Pipeline();

  // Starts the workers.
  void start();
  // There may be more to read. Any thread.
  void wake();
  // Sends what is read from now on through `next`, for which the state has the spaces, and answers
  // the first sequence of it. Any thread but a worker. Errors: Busy (the line before this one is
  // not taken yet), Config (refusals()), Unavailable (the pipeline has stopped), Io.
  Result<uint64_t> replace(std::shared_ptr<Line> next);
  // Waits until every document of the replaced line has its result, and answers that line for the
  // caller to end: ending its processes takes time. Null where the pipeline stops before that; the
  // line then ends with it. Any thread but a worker; once after each replace().
  std::shared_ptr<Line> take_replaced();
  // Why `next` must not replace the line: by stage. Any thread. Errors: Io.
  Result<std::vector<StateVersions::Mismatch>> refusals(const Line& next) const;
  // Results up to `sequence` are durable and their state is committed: their place in the window is
  // free. Any thread.
  void release(uint64_t sequence);
  // Ends after the step that each worker is in; what is in the line has no result. Any thread but a
  // worker; returns when all workers have ended.
  void stop();

  // Any thread. The outcomes are counted where results are handed over, since the log's beginning:
  // each result's record carries the totals, so that a restart goes on with them.
  struct Counters {
    uint64_t read = 0;  // since the start
    uint64_t processed = 0, dropped = 0, dead = 0;
    uint64_t in_line = 0;  // read, and no result handed over yet
    uint64_t outside =
        0;  // calls that wait for a stage's own process, as long as its limits let them
    uint64_t suspects = 0;  // documents that are still to run alone because a stage died in them
  };
  Counters counters() const;

  // What the stages of the line count, since the start, with that of stages of the same names in
  // lines before. Any thread.
  std::vector<StageCounts> stages() const;
  // hold_up_max_ms() of the line that documents are read for. Any thread.
  std::optional<int64_t> hold_up_max_ms() const;

 private:
  class Impl;
  explicit Pipeline(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
