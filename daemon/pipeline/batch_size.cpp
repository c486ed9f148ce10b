#include "daemon/pipeline/batch_size.hpp"

#include <algorithm>

namespace wiremill {
namespace {

constexpr double kWeight = 0.2;  // of the newest batch

}  // namespace

uint32_t BatchSize::documents() const {
  uint32_t documents = documents_max_;
  const Duration whole = each_ * documents_max_;
  if (whole > kSettleTime) {
    const auto fewer = static_cast<uint32_t>(documents_max_ * (kSettleTime / whole));
    documents = std::max(fewer, std::min(kLeast, documents_max_));
  }
  if (bytes_each_ * documents <= kResultBytes) return documents;
  return std::max(1U, static_cast<uint32_t>(kResultBytes / bytes_each_));
}

void BatchSize::note(size_t documents, Duration spent, int64_t result_bytes) {
  const auto count = static_cast<double>(documents);
  each_ += kWeight * (spent / count - each_);
  bytes_each_ += kWeight * (static_cast<double>(result_bytes) / count - bytes_each_);
}

}  // namespace wiremill
