// How many documents the next batch is of: what the settles of the line lately got through in
// kSettleTime. Batches settle one after the other, so no result comes out for as long as one does.
// What process takes is not looked at: it runs beside others, and a stage that asks a service elsewhere
// is the better the more documents it may ask for at once.
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

  explicit BatchSize(uint32_t documents_max) : documents_max_(documents_max) {}

  // `documents_max`, with which it begins, or fewer.
  uint32_t documents() const;
  // All settles together took so long over so many documents, at least 1.
  void note(size_t documents, Duration spent);

 private:
  const uint32_t documents_max_;
  Duration each_{};  // for a document, smoothed over batches
};

}  // namespace wiremill
