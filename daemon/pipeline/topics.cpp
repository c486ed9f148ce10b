#include "daemon/pipeline/topics.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace wiremill {
namespace {

void append_percent_encoded(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool unreserved = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
                            byte == '_' || byte == '~';  // RFC 3986, 2.3
    if (unreserved) {
      out += character;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

}  // namespace

std::string topic_of(const v1::Result& result) {
  std::string topic = result.language().code().empty() ? "und" : result.language().code();
  topic += '/';
  append_percent_encoded(result.source(), topic);
  topic += '/';
  return topic;
}

Result<Topics> Topics::load(StateStore& state, size_t topics_max) {
  Topics topics(state, topics_max);
  std::vector<Entry> entries;
  WM_TRY(state.scan(topics.space_, "", "", [&](std::string_view key, std::string_view value) {
    uint64_t sequence = 0;
    std::from_chars(value.data(), value.data() + value.size(), sequence);
    entries.push_back({std::string(key), sequence});
    return true;
  }));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.sequence > b.sequence; });
  for (Entry& entry : entries) {
    topics.recent_.push_back(std::move(entry));
    topics.by_topic_.emplace(topics.recent_.back().topic, std::prev(topics.recent_.end()));
  }
  return topics;
}

uint64_t Topics::advance(const std::string& topic, Flight& flight) {
  uint64_t previous = 0;
  if (const auto found = by_topic_.find(topic); found != by_topic_.end()) {
    previous = std::exchange(found->second->sequence, flight.sequence());
    recent_.splice(recent_.begin(), recent_, found->second);
  } else {
    recent_.push_front({topic, flight.sequence()});
    by_topic_.emplace(topic, recent_.begin());
  }
  record(topic, flight.sequence(), false, flight);
  while (recent_.size() > topics_max_) {
    record(recent_.back().topic, 0, true, flight);
    by_topic_.erase(recent_.back().topic);
    recent_.pop_back();
  }
  return previous;
}

void Topics::record(const std::string& topic, uint64_t sequence, bool removed, Flight& flight) {
  std::string value = removed ? std::string() : std::to_string(sequence);
  state_->write(space_, topic, removed ? std::nullopt : std::optional<std::string_view>(value),
                flight.sequence());
  flight.changes.push_back({space_, topic, removed, std::move(value)});
}

}  // namespace wiremill
