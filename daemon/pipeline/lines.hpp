// The lines in use: the one that documents are read for and, while it is being replaced, the one
// before it. Knows where batches wait for their turn; all of it is guarded by the pipeline's mutex.
//
// The barrier: at its first settle a batch of the new line waits until every batch of the old one has
// passed its last settle. What a stage remembers is then complete, and the stage of that name in the
// new line goes on with it. process is held up by nothing, and the emission is one for both.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/pipeline/batch.hpp"
#include "daemon/pipeline/line.hpp"

namespace wiremill {

// Batches that can go on, by their index: the oldest goes first.
using ReadyBatches = std::map<uint64_t, std::unique_ptr<Batch>>;

// A place that batches pass one at a time, in the order in which they were read.
struct OrderedPoint {
  uint64_t next = 0;      // the batch whose turn it is
  ReadyBatches parked{};  // came too early
};

// A line and the settles that its batches pass.
struct LineRun {
  std::shared_ptr<Line> line;
  uint64_t first_batch = 0;  // that was read for it
  std::vector<OrderedPoint> settles{};
};

class Lines {
 public:
  explicit Lines(std::shared_ptr<Line> line);

  // Whose batches are read now. A run lasts until the last of its batches has left the emission.
  LineRun& current() { return *current_; }
  const Line& line() const { return *current_->line; }

  // From `first_batch` on, which is the next to be read, batches are those of `next`. Errors: Busy.
  Status replace(std::shared_ptr<Line> next, uint64_t first_batch);
  // The replaced line once no batch is left in it; null before.
  std::shared_ptr<Line> take_replaced();

  // True: the batch may pass now. False: it is parked.
  bool enter_settle(size_t settle, std::unique_ptr<Batch>& batch);
  bool enter_emission(std::unique_ptr<Batch>& batch);
  // Hands over whose turn it is then. Behind the emission the batch's run is not to be used any more.
  void leave_settle(const Batch& batch, size_t settle, ReadyBatches& ready);
  void leave_emission(ReadyBatches& ready);
  bool has_replaced() const { return replaced_ != nullptr; }

  // Of the stages of the present line, with those of the same names before.
  std::vector<StageCounts> counts() const;
  uint32_t calls_outside() const;
  // Tells every call that is under way, and those to come, that nobody waits for it.
  void stop_calls();

 private:
  bool may_settle(const LineRun& run) const;
  std::vector<StageCounts> counts_before() const;
  void retire();

  std::unique_ptr<LineRun> current_, previous_;
  std::shared_ptr<Line> replaced_;
  OrderedPoint emission_;
  std::vector<StageCounts> past_;  // of lines that are gone, by the names of the present one
};

}  // namespace wiremill
