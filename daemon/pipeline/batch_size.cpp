#include "daemon/pipeline/batch_size.hpp"

#include <algorithm>

namespace wiremill {
namespace {

constexpr double kWeight = 0.2;  // of the newest batch

}  // namespace

uint32_t BatchSize::documents() const {
  const Duration whole = each_ * documents_max_;
  if (whole <= kSettleTime) return documents_max_;
  const auto fewer = static_cast<uint32_t>(documents_max_ * (kSettleTime / whole));
  return std::max(fewer, std::min(kLeast, documents_max_));
}

void BatchSize::note(size_t documents, Duration spent) {
  each_ += kWeight * (spent / static_cast<double>(documents) - each_);
}

}  // namespace wiremill
