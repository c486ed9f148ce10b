// Making segments ahead of need: daemon/log/segment_maker.hpp.
#include "daemon/log/segment_maker.hpp"

#include <utility>

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRetryAfter = std::chrono::seconds(1);

}  // namespace

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
  if (prepared_) (void)files_.remove(prepared_path_);
}

void SegmentMaker::prepare() {
  {
    const MutexLock lock(mutex_);
    if (wanted_) return;
    if (prepared_ && (*prepared_ || Clock::now() < prepared_at_ + kRetryAfter)) return;
    prepared_.reset();
    wanted_ = true;
  }
  changed_.notify_all();
}

Result<std::unique_ptr<File>> SegmentMaker::make(const SegmentHeader& header, int64_t bytes) {
  const bool large = bytes > segment_bytes_;
  const std::string path = large ? directory_ + "/large.tmp" : prepared_path_;
  auto file = large ? make_file(path, bytes) : take_prepared();
  if (!file) return file;
  if (auto named = name(**file, path, header); !named) {
    (void)files_.remove(path);
    return tl::unexpected(std::move(named).error());
  }
  return file;
}

Status SegmentMaker::name(File& file, const std::string& path, const SegmentHeader& header) {
  WM_TRY(file.write_at(0, encode_segment_header(header)));
  WM_TRY(file.sync());
  WM_TRY(files_.rename(path, directory_ + '/' + segment_file_name(header.first)));
  return files_.sync_directory(directory_);
}

Result<std::unique_ptr<File>> SegmentMaker::take_prepared() {
  {
    const MutexLock lock(mutex_);
    if (prepared_ && !*prepared_) prepared_.reset();
  }
  prepare();
  const MutexLock lock(mutex_);
  while (!prepared_) changed_.wait(mutex_);
  auto file = std::move(*prepared_);
  prepared_.reset();
  return file;
}

Result<std::unique_ptr<File>> SegmentMaker::make_file(const std::string& path, int64_t bytes) {
  auto file = make_zeroed_file(files_, path, bytes);
  // What cannot be removed now is removed when the log is next opened.
  if (!file) (void)files_.remove(path);
  return file;
}

void SegmentMaker::run() {
  set_thread_name("log-segments");
  for (;;) {
    {
      const MutexLock lock(mutex_);
      while (!wanted_ && !stopping_) changed_.wait(mutex_);
      if (stopping_) return;
    }
    auto file = make_file(prepared_path_, segment_bytes_);
    {
      const MutexLock lock(mutex_);
      wanted_ = false;
      prepared_ = std::move(file);
      prepared_at_ = Clock::now();
    }
    changed_.notify_all();
  }
}

}  // namespace wiremill
