// Making segments ahead of need: daemon/log/segment_maker.hpp.
#include "daemon/log/segment_maker.hpp"

#include <utility>

namespace wiremill {

SegmentMaker::SegmentMaker(FileSystem& files, std::string directory, int64_t segment_bytes)
    : files_(files),
      directory_(std::move(directory)),
      prepared_path_(directory_ + "/next.tmp"),
      segment_bytes_(segment_bytes),
      thread_([this] { run(); }) {}

SegmentMaker::~SegmentMaker() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  // What could not be removed now is removed when the log is next opened.
  if (prepared_) (void)files_.remove(prepared_path_);
}

void SegmentMaker::prepare() {
  {
    const MutexLock lock(mutex_);
    if (wanted_ || prepared_) return;
    wanted_ = true;
  }
  changed_.notify_all();
}

Result<std::unique_ptr<File>> SegmentMaker::make(const SegmentHeader& header, int64_t bytes) {
  const bool large = bytes > segment_bytes_;
  const std::string path = large ? directory_ + "/large.tmp" : prepared_path_;
  auto file = large ? make_zeroed_file(files_, path, bytes) : take_prepared();
  if (!file) return file;
  WM_TRY((*file)->write_at(0, encode_segment_header(header)));
  WM_TRY((*file)->sync());
  WM_TRY(files_.rename(path, directory_ + '/' + segment_file_name(header.first)));
  WM_TRY(files_.sync_directory(directory_));
  return file;
}

Result<std::unique_ptr<File>> SegmentMaker::take_prepared() {
  for (int attempts_left = 2;; --attempts_left) {
    prepare();
    const MutexLock lock(mutex_);
    while (!prepared_) changed_.wait(mutex_);
    auto file = std::move(*prepared_);
    prepared_.reset();
    if (file || attempts_left == 1) return file;
  }
}

void SegmentMaker::run() {
  set_thread_name("log-segments");
  for (;;) {
    {
      const MutexLock lock(mutex_);
      while (!wanted_ && !stopping_) changed_.wait(mutex_);
      if (stopping_) return;
    }
    auto file = make_zeroed_file(files_, prepared_path_, segment_bytes_);
    {
      const MutexLock lock(mutex_);
      wanted_ = false;
      prepared_ = std::move(file);
    }
    changed_.notify_all();
  }
}

}  // namespace wiremill
