// What a FETCH lets pass: topic prefixes, sources, languages, statuses. A record passes that fits
// each kind given. Used by replay, on the io thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/feed/feed_record.hpp"

namespace wiremill {

class Filter {
 public:
  static constexpr int kOfEachMax = 64;
  static constexpr size_t kPrefixBytesMax = 1024, kSourceBytesMax = 256, kLanguageBytesMax = 64;

  Filter() = default;
  // Errors: Malformed, naming the limit.
  static Result<Filter> read(const v1::Fetch& fetch);

  // A damaged record passes every filter: what it was is not known.
  bool passes(const FeedRecord& record) const;

 private:
  std::vector<std::string> prefixes_, sources_, languages_;
  std::vector<int> statuses_;
};

}  // namespace wiremill
