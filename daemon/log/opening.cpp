// Opening a log's directory: daemon/log/opening.hpp.
#include "daemon/log/opening.hpp"

#include <algorithm>
#include <string>

#include "daemon/log/mark.hpp"
#include "daemon/log/recovery.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

constexpr int64_t kSegmentBytesMin = 8 << 10;

Status check(const LogOptions& options) {
  if (options.name.empty() || options.name.size() > kLogNameBytesMax)
    return fail(ErrorCode::Config, "a log's name has 1 to {} bytes, not \"{}\"", kLogNameBytesMax,
                options.name);
  if (options.segment_bytes < kSegmentBytesMin)
    return fail(ErrorCode::Config, "segments of {} bytes are too small for the log {}; at least {}",
                options.segment_bytes, options.directory, kSegmentBytesMin);
  return {};
}

// The first sequences of the segments there, ascending. Removes what was left half made.
Result<std::vector<uint64_t>> list_segments(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  std::vector<uint64_t> segments;
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_file_name(name))
      segments.push_back(*first);
    else if (name.ends_with(".tmp"))
      WM_TRY(files.remove(directory + '/' + name));
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace

Result<LogStart> open_directory(FileSystem& files, const LogOptions& options) {
  WM_TRY(check(options));
  const std::string& directory = options.directory;
  WM_TRY(files.make_directory(directory));
  const size_t slash = directory.find_last_of('/');
  WM_TRY(files.sync_directory(slash == std::string::npos ? "." : directory.substr(0, slash + 1)));

  LogStart start;
  auto lock = files.lock(directory + "/LOCK");
  if (!lock && lock.error().code == ErrorCode::Locked)
    return fail(ErrorCode::Locked, "the log in {} is held by another process", directory);
  if (!lock) return tl::unexpected(lock.error());
  start.lock = std::move(*lock);

  const auto mark = read_mark(files, directory);
  if (!mark) return tl::unexpected(mark.error());
  auto segments = list_segments(files, directory);
  if (!segments) return tl::unexpected(segments.error());
  GroupWriterStart& newest = start.newest;
  if (mark->has_value()) {
    newest.next = std::max((*mark)->next, options.next_min);
    newest.epoch = (*mark)->epoch;
    start.epoch_first = (*mark)->epoch_first;
  }

  const bool fresh = segments->empty();
  newest.header.name = options.name;
  newest.header.first = newest.next;
  if (!fresh) {
    newest.header.first = segments->back();
    newest.next = std::max(newest.next, segments->back());
    auto recovered = recover_segment(files, directory + '/' + segment_file_name(segments->back()),
                                     options.name, segments->back(), *mark);
    if (!recovered) return tl::unexpected(recovered.error());
    if (recovered->has_value()) {
      RecoveredSegment& found = **recovered;
      newest.file = std::move(found.file);
      newest.header = std::move(found.header);
      newest.capacity = found.capacity;
      newest.end = found.end;
      newest.next = found.next;
      // MARK is lost: where its epoch began is not known.
      if (found.epoch > newest.epoch) start.epoch_first = 1;
      newest.epoch = std::max(newest.epoch, found.epoch);
      start.torn_bytes = found.torn_bytes;
      start.damaged = std::move(found.damaged);
      start.index = std::move(found.index);
    }
    segments->pop_back();
    for (const uint64_t first : *segments) {
      const auto file = files.open(directory + '/' + segment_file_name(first), OpenMode::Read);
      if (!file) return tl::unexpected(file.error());
      const auto size = (*file)->size();
      if (!size) return tl::unexpected(size.error());
      start.older.emplace_back(first, *size);
    }
  }

  newest.next = std::max(newest.next, options.next_min);

  // What was shown as durable before the crash may be gone, and its sequences are given out anew.
  const bool acknowledged_before_sync = mark->has_value()
                                            ? !(*mark)->clean && !(*mark)->always
                                            : !fresh && options.durability != Durability::Always;
  if (acknowledged_before_sync) {
    ++newest.epoch;
    start.epoch_first = newest.next;
  }
  WM_TRY(write_mark(files, directory,
                    {.clean = false,
                     .always = options.durability == Durability::Always,
                     .epoch = newest.epoch,
                     .next = newest.next,
                     .segment = newest.file ? newest.header.first : 0,
                     .end = newest.end,
                     .epoch_first = start.epoch_first}));
  return start;
}

}  // namespace wiremill
