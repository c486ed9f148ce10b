// See filter.hpp. Language and source are read off the topic, `<language>/<percent-encoded source>/`.
#include "daemon/feed/filter.hpp"

#include <algorithm>
#include <charconv>

namespace wiremill {
namespace {

std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
            text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

template <class List, class Value>
bool fits(const List& list, const Value& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

Status check_texts(std::string_view what,
                   const google::protobuf::RepeatedPtrField<std::string>& texts, size_t bytes_max) {
  if (texts.size() > Filter::kOfEachMax ||
      std::any_of(texts.begin(), texts.end(),
                  [&](const std::string& text) { return text.size() > bytes_max; }))
    return fail(ErrorCode::Malformed, "at most {} {} of {} bytes are allowed", Filter::kOfEachMax,
                what, bytes_max);
  return {};
}

}  // namespace

Result<Filter> Filter::read(const v1::Fetch& fetch) {
  WM_TRY(check_texts("topic prefixes", fetch.topic_prefixes(), kPrefixBytesMax));
  WM_TRY(check_texts("sources", fetch.sources(), kSourceBytesMax));
  WM_TRY(check_texts("languages", fetch.languages(), kLanguageBytesMax));
  if (fetch.statuses_size() > kOfEachMax)
    return fail(ErrorCode::Malformed, "at most {} statuses are allowed", kOfEachMax);
  for (const int status : fetch.statuses())
    if (status == v1::Result::STATUS_UNSPECIFIED || !v1::Result::Status_IsValid(status))
      return fail(ErrorCode::Malformed, "no status has the number {}", status);
  Filter filter;
  filter.prefixes_.assign(fetch.topic_prefixes().begin(), fetch.topic_prefixes().end());
  filter.sources_.assign(fetch.sources().begin(), fetch.sources().end());
  filter.languages_.assign(fetch.languages().begin(), fetch.languages().end());
  filter.statuses_.assign(fetch.statuses().begin(), fetch.statuses().end());
  return filter;
}

bool Filter::passes(const FeedRecord& record) const {
  if (record.damaged) return true;
  const std::string_view topic = record.topic;
  if (!prefixes_.empty() &&
      std::none_of(prefixes_.begin(), prefixes_.end(),
                   [&](const std::string& prefix) { return topic.starts_with(prefix); }))
    return false;
  if (!fits(statuses_, static_cast<int>(record.header.status()))) return false;
  const size_t slash = std::min(topic.find('/'), topic.size());
  if (!fits(languages_, topic.substr(0, slash))) return false;
  if (sources_.empty()) return true;
  std::string_view source = topic.substr(std::min(slash + 1, topic.size()));
  if (source.ends_with('/')) source.remove_suffix(1);
  return fits(sources_, percent_decoded(source));
}

}  // namespace wiremill
