// Inspecting a log from outside: daemon/log/inspect.hpp.
//
// The rules are those of the readers and of recovery, followed once over the whole log. In the newest
// segment, bad bytes above the highest promise ("everything below was synced") are a torn tail, which
// the next start cuts; everywhere else they are damage. The sequences are dense, so what is missing
// shows. A segment speaks for the sequences up to where the next one begins: what stands behind that
// in the older one is the remains of a group that was written again.
#include "daemon/log/inspect.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

#include "daemon/log/mark.hpp"
#include "daemon/log/segment.hpp"
#include "daemon/log/walker.hpp"

namespace wiremill {
namespace {

using Kind = SegmentEntry::Kind;

constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();

// Whether a process holds a lock on the file: the kernel's list says so without taking part.
bool is_locked(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    const size_t inode = line.find(fmt::format(":{} ", status.st_ino));
    if (line.find("FLOCK") != std::string::npos && inode != std::string::npos) return true;
  }
  return false;
}

Result<std::vector<uint64_t>> list_segments(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  std::vector<uint64_t> segments;
  for (const std::string& name : *names)
    if (const auto first = parse_segment_file_name(name)) segments.push_back(*first);
  std::sort(segments.begin(), segments.end());
  return segments;
}

// What the groups of the newest segment say of it.
struct Promise {
  int64_t synced = kSegmentHeaderBytes;  // everything below was whole once
  uint64_t next = 1;                     // every sequence below was given out
};

class Inspection {
 public:
  Inspection(FileSystem& files, const InspectPorts& ports, const std::string& directory)
      : files_(files), ports_(ports) {
    report_.directory = directory;
  }

  Result<LogReport> run() {
    report_.held = is_locked(report_.directory + "/LOCK");
    const auto mark = read_mark(files_, report_.directory);
    if (!mark) return tl::unexpected(mark.error());
    const auto segments = list_segments(files_, report_.directory);
    if (!segments) return tl::unexpected(segments.error());
    if (segments->empty() && !mark->has_value())
      return fail(ErrorCode::NotFound, "there is no log in {}", report_.directory);
    report_.clean = mark->has_value() && (*mark)->clean;
    report_.epoch = mark->has_value() ? (*mark)->epoch : 0;
    given_out_ = mark->has_value() ? (*mark)->next : 1;
    WM_TRY(survey(*segments));

    report_.first = next_ = segments->empty() ? given_out_ : segments->front();
    for (size_t i = 0; i < segments->size(); ++i) {
      const uint64_t first = (*segments)[i];
      const bool newest = i + 1 == segments->size();
      miss_up_to(first, path_of(first), 0, "missing before this segment");
      next_ = first;
      WM_TRY(walk(first, newest ? kNoEnd : (*segments)[i + 1], *mark));
    }
    report_.last = next_ - 1;
    return std::move(report_);
  }

 private:
  std::string path_of(uint64_t first) const {
    return report_.directory + '/' + segment_file_name(first);
  }

  // The bytes of all segments, and the log's name from the first whole header.
  Status survey(const std::vector<uint64_t>& segments) {
    for (const uint64_t first : segments) {
      const auto file = files_.open(path_of(first), OpenMode::Read);
      if (!file) continue;  // walk() says so
      const auto size = (*file)->size();
      if (!size) return tl::unexpected(size.error());
      total_ += static_cast<uint64_t>(*size);
      if (!report_.name.empty()) continue;
      FileWindow window(**file);
      const auto block = window.view(0, kSegmentHeaderBytes, *size);
      if (!block) return tl::unexpected(block.error());
      const auto header = decode_segment_header(*block, "");
      if (header && header->has_value()) report_.name = (*header)->name;
    }
    return {};
  }

  // Sequences from next_ to `sequence` - 1 cannot be read.
  void miss_up_to(uint64_t sequence, const std::string& path, int64_t offset, std::string what) {
    if (sequence <= next_) return;
    report_.damaged_records += sequence - next_;
    if (report_.damage.size() < kDamageMax)
      report_.damage.push_back({next_, sequence - 1, path, offset, std::move(what)});
    next_ = sequence;
  }

  // `end`: the first sequence of the next segment.
  Status walk(uint64_t first, uint64_t end, const std::optional<LogMark>& mark) {
    const std::string path = path_of(first);
    const bool newest = end == kNoEnd;
    const auto file = files_.open(path, OpenMode::Read);
    if (!file && file.error().code == ErrorCode::NotFound && report_.held) {
      // Retention has taken it since the directory was read.
      if (!newest) report_.first = next_ = end;
      return {};
    }
    if (!file) return tl::unexpected(file.error());
    const auto size = (*file)->size();
    if (!size) return tl::unexpected(size.error());
    SegmentReport segment{.path = path,
                          .first = first,
                          .last = first - 1,
                          .bytes = std::min(kSegmentHeaderBytes, *size),
                          .file_bytes = *size};
    std::string unread = "missing at the end of this segment";
    const auto header = read_segment_header(**file, path, report_.name, first);
    if (!header && (newest || header.error().code != ErrorCode::Damaged))
      return tl::unexpected(header.error());
    if (header && header->has_value()) {
      segment.epoch = (*header)->epoch;
      WM_TRY(read(**file, **header, *size, end, mark, segment));
    } else {
      unread = header ? "neither its header nor a group is whole" : header.error().message;
    }
    miss_up_to(newest ? given_out_ : end, path, bad_begin_.value_or(segment.bytes), unread);
    segment.last = next_ - 1;
    report_.records += segment.records;
    report_.groups += segment.groups;
    report_.bytes += static_cast<uint64_t>(segment.bytes);
    report_.epoch = std::max(report_.epoch, segment.epoch);
    done_ += static_cast<uint64_t>(*size);
    report_.segments.push_back(std::move(segment));
    return tell_progress(0);
  }

  Result<Promise> find_promise(const File& file, const SegmentHeader& header, int64_t size,
                               const std::optional<LogMark>& mark) {
    Promise found{.synced = kSegmentHeaderBytes, .next = header.first};
    if (mark && mark->segment == header.first) found.synced = mark->end;
    SegmentWalker walker(file, header.salt);
    walker.seek(kSegmentHeaderBytes, header.first);
    for (;;) {
      const auto entry = walker.next(size);
      if (!entry) return tl::unexpected(entry.error());
      if (entry->kind == Kind::End) return found;
      if (entry->kind != Kind::Group) continue;
      found.synced = std::max(found.synced, entry->group.synced_before);
      found.next = std::max(found.next, entry->group.first + entry->group.count);
    }
  }

  Status read(const File& file, const SegmentHeader& header, int64_t size, uint64_t end,
              const std::optional<LogMark>& mark, SegmentReport& segment) {
    const bool newest = end == kNoEnd;
    Promise promise{.synced = size, .next = end};
    if (newest) {
      const auto found = find_promise(file, header, size, mark);
      if (!found) return tl::unexpected(found.error());
      promise = *found;
    }
    bad_begin_.reset();
    group_ = {};
    SegmentWalker walker(file, header.salt);
    walker.seek(kSegmentHeaderBytes, header.first);
    for (uint64_t entries = 0;; ++entries) {
      const auto entry = walker.next(size);
      if (!entry) return tl::unexpected(entry.error());
      if (entries % 1024 == 0) WM_TRY(tell_progress(static_cast<uint64_t>(entry->begin)));
      // Bad bytes that the promise does not cover; of an older segment everything is covered.
      bool torn = false;
      switch (entry->kind) {
        case Kind::Group:
          if (entry->group.first >= end) return {};  // written again in the next segment
          // An empty group says that the log ends here.
          if (newest && entry->group.count == 0 && entry->begin >= promise.synced) {
            release(segment);
            note_missing(entry->group.first, *entry, segment);
            return {};
          }
          release(segment);
          note_missing(entry->group.first, *entry, segment);
          group_.begin = entry->begin;
          group_.end = entry->begin + entry->group.bytes;
          group_.first = entry->group.first;
          group_.doubtful = newest && group_.end > promise.synced;
          segment.groups += entry->group.count > 0 ? 1 : 0;
          segment.epoch = std::max(segment.epoch, entry->group.epoch);
          break;
        case Kind::Record: {
          if (entry->record.sequence >= end) return {};
          const auto payload = walker.payload(*entry);
          if (!payload) return tl::unexpected(payload.error());
          if (payload->has_value()) {
            note_missing(entry->record.sequence, *entry, segment);
            next_ = entry->record.sequence + 1;
            segment.bytes = entry->end;
            if (group_.doubtful)
              group_.held.emplace_back(entry->record.sequence, **payload);
            else
              take(entry->record.sequence, **payload, segment);
          } else {
            torn = note_bad(*entry, promise.synced);
          }
          break;
        }
        case Kind::Gap: torn = note_bad(*entry, promise.synced); break;
        case Kind::End:
          if (entry->zeros && entry->begin >= (newest ? std::max(group_.end, promise.synced) : 0)) {
            release(segment);
            return {};
          }
          if (!newest) {
            note_bad(*entry, size);
            return {};
          }
          torn = true;
          break;
      }
      if (torn) return cut(file, *entry, promise, size, segment);
    }
  }

  // Answers whether the tail begins here.
  bool note_bad(const SegmentEntry& entry, int64_t synced) {
    if (entry.end > synced) return true;
    if (!bad_begin_) bad_begin_ = entry.begin;
    return false;
  }

  void note_missing(uint64_t sequence, const SegmentEntry& entry, const SegmentReport& segment) {
    miss_up_to(sequence, segment.path, bad_begin_.value_or(entry.begin), "damaged");
    bad_begin_.reset();
  }

  void take(uint64_t sequence, std::string_view payload, SegmentReport& segment) {
    ++segment.records;
    if (ports_.record) ports_.record(sequence, payload);
  }

  // The group that may have been torn was not.
  void release(SegmentReport& segment) {
    for (const auto& [sequence, payload] : group_.held) take(sequence, payload, segment);
    group_ = {};
  }

  // As recovery will: the group that is hit goes as a whole, and nothing below the promise does.
  Status cut(const File& file, const SegmentEntry& entry, const Promise& promise, int64_t size,
             SegmentReport& segment) {
    int64_t begin = std::max(entry.begin, promise.synced);
    if (group_.begin >= promise.synced && entry.begin < group_.end) {
      begin = group_.begin;
      next_ = group_.first;
      segment.bytes = begin;
      segment.groups -= 1;
      group_ = {};
    }
    release(segment);
    if (entry.begin < promise.synced) {
      bad_begin_ = entry.begin;
      miss_up_to(std::max(promise.next, given_out_), segment.path, entry.begin, "damaged");
    }
    report_.torn_offset = begin;
    FileWindow window(file);
    constexpr int64_t kStepBytes = 64 << 10;
    for (int64_t at = begin; at < size; at += kStepBytes) {
      const auto block = window.view(at, kStepBytes, size);
      if (!block) return tl::unexpected(block.error());
      const size_t last = block->find_last_not_of('\0');
      if (last != std::string_view::npos)
        report_.torn_bytes = static_cast<uint64_t>(at - begin) + last + 1;
    }
    return {};
  }

  Status tell_progress(uint64_t in_segment) {
    if (ports_.progress && !ports_.progress(done_ + in_segment, total_))
      return fail(ErrorCode::Unavailable, "interrupted");
    return {};
  }

  FileSystem& files_;
  const InspectPorts& ports_;
  LogReport report_;
  uint64_t next_ = 1;
  uint64_t given_out_ = 1;  // every sequence below, as the mark says
  uint64_t total_ = 0, done_ = 0;
  std::optional<int64_t> bad_begin_;  // of the bad bytes since the last whole record

  // The group being read. Of one that reaches above the promise nothing counts before its end.
  struct Group {
    int64_t begin = 0, end = 0;
    uint64_t first = 0;
    bool doubtful = false;
    std::vector<std::pair<uint64_t, std::string>> held;
  } group_;
};

}  // namespace

Result<LogReport> inspect_log(const std::string& directory, const InspectPorts& ports) {
  FileSystem& files = ports.files == nullptr ? real_file_system() : *ports.files;
  return Inspection(files, ports, directory).run();
}

bool is_log_directory(const std::string& directory, FileSystem* files) {
  FileSystem& used = files == nullptr ? real_file_system() : *files;
  const auto names = used.list(directory);
  return names && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return name == "MARK" || parse_segment_file_name(name);
         });
}

}  // namespace wiremill
