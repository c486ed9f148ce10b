// How many documents the next batch is of: what the settles of the line lately got through in
// kSettleTime, and whose results have kResultBytes. Batches settle one after the other, so no result
// comes out for as long as one does. What process takes is not looked at: it runs beside others, and a
// stage that asks a service elsewhere is the better the more documents it may ask for at once.
#pragma once

#include <chrono>
#include <cstdint>

namespace wiremill {

// Not thread-safe.
class BatchSize {
 public:
  using Duration = std::chrono::duration<double>;  // seconds
  // Far above what a call costs whatever its size, some 0.1 ms, and not noticed by who waits.
  static constexpr std::chrono::milliseconds kSettleTime{10};
  // That share what a call of a settle costs, however slow it is.
  static constexpr uint32_t kLeast = 4;

  // A stage may make much of a small document, and that is held until the whole batch is through.
  static constexpr int64_t kResultBytes = 64 << 20;

  explicit BatchSize(uint32_t documents_max) : documents_max_(documents_max) {}

  // `documents_max`, with which it begins, or fewer.
  uint32_t documents() const;
  // All settles together took so long over so many documents, at least 1, and their results and
  // changes of state have so many bytes.
  void note(size_t documents, Duration spent, int64_t result_bytes);

 private:
  const uint32_t documents_max_;
  // For a document, smoothed over batches.
  Duration each_{};
  double bytes_each_ = 0;
};

}  // namespace wiremill
