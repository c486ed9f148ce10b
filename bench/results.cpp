// See results.hpp.
#include "bench/results.hpp"

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>
#include <wiremill/client.hpp>

namespace wiremill {

size_t read_results(const std::string& endpoint, uint64_t sequence, uint64_t last) {
  ReplayClientOptions options;
  options.endpoint = endpoint;
  options.from = ReplayClientOptions::From::Sequence;
  options.sequence = sequence;
  std::string error;
  const auto client = ReplayClient::connect(options, error);
  if (!client) throw std::runtime_error(error);
  size_t count = 0;
  for (ReplayEvent event; event.sequence < last;) {
    if (!client->poll(std::chrono::minutes(5), event)) throw std::runtime_error("no results come");
    if (event.kind == ReplayEvent::Kind::Head) event.sequence = 0;
    if (event.kind != ReplayEvent::Kind::Result) continue;
    if (event.sequence != sequence + count || event.status != ReplayEvent::Status::Processed)
      throw std::runtime_error(fmt::format("result {} is missing or not PROCESSED: {} came",
                                           sequence + count, event.sequence));
    ++count;
  }
  return count;
}

}  // namespace wiremill
