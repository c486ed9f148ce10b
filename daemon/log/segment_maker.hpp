// Makes new segments. A thread of its own zeroes the next file ahead of need, so that going over to
// it costs the writer a header, a rename and two small syncs. Called by the writer thread. What
// failed half way leaves no file behind.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {

class SegmentMaker {
 public:
  SegmentMaker(FileSystem& files, std::string directory, int64_t segment_bytes);
  ~SegmentMaker();

  // Begins to zero the next file, unless that is done or under way or has failed a moment ago.
  void prepare();
  // The file of a segment of at least `bytes` with this header, under its final name and on the
  // medium. Waits for the prepared file; one that could not be prepared ahead is tried again.
  // Errors: Io, NoSpace.
  Result<std::unique_ptr<File>> make(const SegmentHeader& header, int64_t bytes);

 private:
  void run();
  Result<std::unique_ptr<File>> take_prepared();
  Result<std::unique_ptr<File>> make_file(const std::string& path, int64_t bytes);
  Status name(File& file, const std::string& path, const SegmentHeader& header);

  FileSystem& files_;
  const std::string directory_;
  const std::string prepared_path_;
  const int64_t segment_bytes_;

  Mutex mutex_;
  Condition changed_;
  bool wanted_ WM_GUARDED_BY(mutex_) = false;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  std::optional<Result<std::unique_ptr<File>>> prepared_ WM_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point prepared_at_ WM_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace wiremill
