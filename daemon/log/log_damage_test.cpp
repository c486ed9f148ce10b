// Flipped bits, bad sectors and cut files in logs that were closed or killed. The checker has a map
// of its own: where in which file each record's bytes lie, found by looking for its payload. A damaged
// image must open, serve every record whose bytes are whole, and report each other one, once.
//
// What may be missing without being reported: in a log that was not closed in order, the end of the
// newest segment from the first group that is hit and that nothing whole behind it vouches for. That
// cannot be told from a torn write.
//
// Each image is inspected from outside first (daemon/log/inspect.hpp), which must say the same.
// WIREMILL_DAMAGED_IMAGES: how many images, 500 by default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "daemon/log/inspect.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

struct Place {
  std::string path;
  size_t begin = 0, end = 0;  // with the record's header, without padding
};

// A log as a run left it, and where everything is.
struct Subject {
  MemoryFileSystem files;
  bool closed = false;
  uint64_t last = 0;
  std::vector<uint64_t> group_lasts;  // the last sequence of each group
  std::map<uint64_t, Place> records;
  std::string newest;     // segment
  size_t newest_end = 0;  // of its records, padded
};

void make_subject(Subject& subject, std::mt19937_64& random) {
  subject.closed = random() % 2 == 0;
  for (int start = 0; start < 2; ++start) {
    auto log = Log::open(log_options_on(subject.files)).value();
    std::mutex mutex;
    log->on_durable([&](uint64_t durable) {
      const std::lock_guard lock(mutex);
      subject.group_lasts.push_back(durable);
    });
    for (size_t burst = 1 + random() % 25; burst > 0; --burst) {
      for (size_t i = 1 + random() % 6; i > 0; --i) must(log->append(log_payload(log->next())));
      must(log->flush());
    }
    subject.last = log->durable();
    log->on_durable({});
    // The listener may have missed the last group.
    if (subject.group_lasts.empty() || subject.group_lasts.back() != subject.last)
      subject.group_lasts.push_back(subject.last);
    if (start == 1 && !subject.closed) subject.files.kill();
  }
  subject.files.revive();

  std::vector<uint64_t> segments;
  const std::vector<std::string> names = subject.files.list("/log").value();
  for (const std::string& name : names)
    if (const auto first = parse_segment_file_name(name)) segments.push_back(*first);
  std::sort(segments.begin(), segments.end());
  for (size_t i = 0; i < segments.size(); ++i) {
    const std::string path = "/log/" + segment_file_name(segments[i]);
    const std::string bytes = subject.files.contents(path);
    const uint64_t end = i + 1 < segments.size() ? segments[i + 1] : subject.last + 1;
    size_t at = kSegmentHeaderBytes;
    for (uint64_t sequence = segments[i]; sequence < end; ++sequence) {
      const std::string payload = log_payload(sequence);
      at = bytes.find(payload, at);
      ASSERT_NE(at, std::string::npos) << sequence;
      const size_t begin = at - kRecordHeaderBytes;
      at += payload.size();
      subject.records[sequence] = {path, begin, at};
    }
    subject.newest = path;
    subject.newest_end = (at + 7) / 8 * 8;
  }
}

// Changes one file: flipped bits, a sector of rubbish or of zeros, or a cut at a multiple of 8, which
// leaves no record without a part of its padding.
std::string damage(std::string bytes, std::mt19937_64& random) {
  if (bytes.empty()) return bytes;
  const size_t used = std::max<size_t>(bytes.find_last_not_of('\0') + 1, 1);
  const size_t reach = random() % 8 == 0 ? bytes.size() : used;
  const size_t sector = random() % reach / 512 * 512;
  const size_t sector_end = std::min(sector + 512, bytes.size());
  switch (random() % 6) {
    case 0: bytes.resize(random() % bytes.size() / 8 * 8); break;
    case 1: std::fill(bytes.begin() + sector, bytes.begin() + sector_end, '\0'); break;
    case 2:
      for (size_t at = sector; at < sector_end; ++at) bytes[at] = static_cast<char>(random() >> 56);
      break;
    default:
      for (size_t flips = 1 + random() % 3; flips > 0; --flips)
        bytes[random() % reach] ^= static_cast<char>(1 << random() % 8);
  }
  return bytes;
}

bool changed(const std::string& before, const std::string& after, size_t begin, size_t end) {
  end = std::min(end, before.size());
  return after.size() < end ||
         !std::equal(before.begin() + begin, before.begin() + end, after.begin() + begin);
}

// The records that are hit, and the lowest sequence from which the end may be cut.
struct Expected {
  std::set<uint64_t> hit;
  uint64_t cut_from = UINT64_MAX;
};

Expected expect(const Subject& subject, const std::string& path, const std::string& before,
                const std::string& after) {
  Expected expected;
  for (const auto& [sequence, place] : subject.records) {
    if (place.path != path) continue;
    if (changed(before, after, place.begin, place.end)) expected.hit.insert(sequence);
  }
  const bool closed = subject.closed && path != "/log/MARK";
  if (closed || path != subject.newest) return expected;
  // An empty group behind the last one vouches for it.
  const size_t end = subject.newest_end;
  if (before.compare(end, 4, "WGRP") == 0 && !changed(before, after, end, end + kGroupHeaderBytes))
    return expected;
  uint64_t first = 1;
  uint64_t lowest_hit = UINT64_MAX;  // among the groups from the last whole header on
  for (const uint64_t last : subject.group_lasts) {
    const Place& place = subject.records.at(first);
    if (place.path == path && first <= last) {
      const bool header_hit = changed(before, after, place.begin - kGroupHeaderBytes, place.begin);
      bool hit = header_hit;
      for (uint64_t sequence = first; sequence <= last; ++sequence)
        hit |= expected.hit.contains(sequence);
      if (!header_hit) lowest_hit = UINT64_MAX;
      if (hit) lowest_hit = std::min(lowest_hit, first);
    }
    first = last + 1;
  }
  expected.cut_from = lowest_hit;
  return expected;
}

std::string describe(const Subject& subject, const std::string& path, const std::string& before,
                     const std::string& after) {
  std::string out = fmt::format("{} ({} log): {} bytes were {}; changed:", path,
                                subject.closed ? "closed" : "killed", after.size(), before.size());
  for (size_t at = 0, told = 0; at < std::min(before.size(), after.size()) && told < 8; ++at)
    if (before[at] != after[at] && ++told > 0) out += fmt::format(" {}", at);
  out += "; records:";
  for (const auto& [sequence, place] : subject.records)
    if (place.path == path) out += fmt::format(" {} at {}", sequence, place.begin);
  return out + fmt::format("; groups end with {}", fmt::join(subject.group_lasts, " "));
}

struct Tally {
  uint64_t images = 0, acknowledged = 0, damaged = 0, cut = 0, lost = 0, invented = 0;
};

void check(MemoryFileSystem& image, const Subject& subject, const Expected& expected,
           Tally& tally) {
  ++tally.images;
  tally.acknowledged += subject.last;
  const auto report = inspect_log("/log", {.record = {}, .progress = {}, .files = &image});
  ASSERT_TRUE(report) << report.error().message;
  const auto opened = Log::open(log_options_on(image));
  ASSERT_TRUE(opened) << opened.error().message;
  Log& log = **opened;
  const uint64_t durable = log.durable();
  ASSERT_LE(durable, subject.last);
  if (durable < subject.last) {
    if (durable + 1 < expected.cut_from) ++tally.lost;
    ASSERT_GE(durable + 1, expected.cut_from);
    tally.cut += subject.last - durable;
  }
  // A record handed in now finds its place behind all of them.
  ASSERT_EQ(log.append("new").value(), durable + 1);
  must(log.flush());
  for (int reading = 0; reading < 2; ++reading) {
    std::vector<LogRecord> records;
    must(log.reader(1)->read(1 << 20, 1 << 30, records));
    ASSERT_EQ(records.size(), durable + 1);
    ASSERT_EQ(records.back().payload, "new");
    records.pop_back();
    uint64_t next = 1, damaged = 0;
    for (const LogRecord& record : records) {
      ASSERT_EQ(record.sequence, next++);
      const bool hit = expected.hit.contains(record.sequence);
      if (record.damaged && !hit) ++tally.lost;
      if (!record.damaged && record.payload != log_payload(record.sequence)) ++tally.invented;
      ASSERT_EQ(record.damaged, hit) << record.sequence;
      damaged += hit ? 1 : 0;
    }
    ASSERT_EQ(log.statistics().damaged_records, damaged);
    if (reading == 0) tally.damaged += damaged;
    ASSERT_EQ(report->damaged_records, damaged);
    ASSERT_EQ(report->records, durable - damaged);
    ASSERT_EQ(report->last, durable);
  }
  ASSERT_EQ(tally.lost + tally.invented, 0U);
}

TEST(LogDamage, CostsOnlyWhatIsHitAndIsCountedOnce) {
  std::mt19937_64 random(99);
  const uint64_t wanted = test_length("WIREMILL_DAMAGED_IMAGES", 500);
  Tally tally;
  while (tally.images < wanted && !testing::Test::HasFailure()) {
    Subject subject;
    ASSERT_NO_FATAL_FAILURE(make_subject(subject, random));
    std::vector<std::string> names = subject.files.list("/log").value();
    std::erase_if(names, [](const std::string& name) { return name.ends_with(".tmp"); });
    for (int i = 0; i < 50 && !testing::Test::HasFailure(); ++i) {
      const auto image = std::make_unique<MemoryFileSystem>();
      for (const std::string& name : names)
        image->set_contents("/log/" + name, subject.files.contents("/log/" + name));
      const std::string path = "/log/" + names[random() % names.size()];
      const std::string before = subject.files.contents(path);
      const std::string after = damage(before, random);
      image->set_contents(path, after);
      SCOPED_TRACE(describe(subject, path, before, after));
      Expected expected = expect(subject, path, before, after);
      check(*image, subject, expected, tally);
    }
  }
  fmt::print("damage: {} images, {} acknowledged, {} damaged, {} cut, {} lost, {} invented\n",
             tally.images, tally.acknowledged, tally.damaged, tally.cut, tally.lost,
             tally.invented);
}

}  // namespace
}  // namespace wiremill
