// What a stage counts, says and observes of itself (count, gauge and observe of wm_host), by name. Held
// by the stage for /metrics, and by a stage's own process until it hands over what has come together.
// Keeps to the contract's rules on names, kinds and values; what breaks them is dropped. One thread at
// a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace wiremill {

// How often values up to each bound, and above the one before, were observed; at the end those above
// all bounds.
struct Histogram {
  static constexpr std::array<double, 46> kBounds = {
      1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,
      0.2,  0.5,  1e0,  2e0,  5e0,  1e1,  2e1,  5e1,  1e2,  2e2,  5e2,  1e3,  2e3,  5e3,  1e4,  2e4,
      5e4,  1e5,  2e5,  5e5,  1e6,  2e6,  5e6,  1e7,  2e7,  5e7,  1e8,  2e8,  5e8,  1e9};

  void add(double value);
  void add(const Histogram& other);

  std::array<uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;
};

class StageMetrics {
 public:
  template <class Value>
  using Named = std::map<std::string, Value, std::less<>>;

  void count(std::string_view name, uint64_t add);
  void gauge(std::string_view name, double value);
  void observe(std::string_view name, double value);
  // Many values at once.
  void observe(std::string_view name, const Histogram& values);
  // What a stage of the same name said, that came after this one: counts and histograms go on, its
  // gauges and its kinds stand.
  void go_on(const StageMetrics& later);

  const Named<uint64_t>& counters() const { return counters_; }
  const Named<double>& gauges() const { return gauges_; }
  const Named<Histogram>& histograms() const { return histograms_; }

 private:
  bool has_room_for(std::string_view name) const;

  Named<uint64_t> counters_;
  Named<double> gauges_;
  Named<Histogram> histograms_;
};

}  // namespace wiremill
