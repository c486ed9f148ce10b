// The test kit's host on what a stage says of itself and is told of its time, and the C++ face on tables
// of a host that knows nothing of either (ABI 1.2).
#include <gtest/gtest.h>
#include <wiremill/testing.hpp>

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace {

using wiremill::testing::MockHost;

// Says how long it took for each document, and works on in rounds until it is told to end, or late.
class Patient {
 public:
  static constexpr wiremill::StageInfo kInfo = {.id = "test.patient",
                                                .version = "1.0.0",
                                                .summary = "Works until it is told to end.",
                                                .provided = {"extensions.test.patient"}};
  Patient(const wiremill::Host& host, const wiremill::Options&) : host_(host) {
    host_.gauge("instances", 1);
  }

  wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output) const {
    const int64_t began_us = host_.clock_us();
    if (document.id() == "slow") {
      for (;;) {
        if (output.cancelled()) return wiremill::Verdict::failed("CANCELLED", "");
        const auto left_us = output.time_left_us();
        if (left_us && *left_us < 100) return wiremill::Verdict::bad_document("LATE", "");
      }
    }
    const auto left_us = output.time_left_us();
    output.extension(left_us ? std::to_string(*left_us) : "null");
    host_.observe("process_us", static_cast<double>(host_.clock_us() - began_us));
    return {};
  }

  void settle(wiremill::Batch& batch) {
    for (size_t i = 0; i < batch.size(); ++i) {
      host_.gauge("settle_left_us", static_cast<double>(batch.time_left_us().value_or(-1)));
      batch.begin(i);
      if (batch.document(i).id() == "greedy") change_too_much(batch.state(i));
      host_.observe("settle_left_us_begun",
                    static_cast<double>(batch.output(i).time_left_us().value_or(0)));
    }
  }

 private:
  // And swallows what it is told.
  static void change_too_much(wiremill::State state) {
    for (int i = 0; i < 20; ++i) {
      try {
        state.put(std::to_string(i), std::string(1 << 20, 'x'));
      } catch (const std::invalid_argument&) {
        if (i < 7) throw;
      }
    }
  }

  const wiremill::Host host_;
};

}  // namespace

WIREMILL_STAGE(Patient)

namespace {

TEST(MockHost, ReadsMetricsBack) {
  MockHost host(wiremill_plugin);
  EXPECT_EQ(host.gauges().at("instances"), 1);
  host.set_clock(5'000'000, 250);
  host.run({{.id = "a"}, {.id = "b"}});
  EXPECT_EQ(host.observations().at("process_us"), (std::vector<double>{250, 250}));
}

TEST(MockHost, ADocumentThatChangesTooMuchLeavesNothing) {
  MockHost host(wiremill_plugin);
  const auto results = host.run({{.id = "a"}, {.id = "greedy"}});
  EXPECT_EQ(results[0].verdict, WM_OK);
  EXPECT_EQ(results[1].verdict, WM_BAD_DOCUMENT);
  EXPECT_EQ(results[1].code, "TOO_LARGE");
  EXPECT_TRUE(host.state().empty());
}

TEST(MockHost, ADeadlineRunsByTheTestsClock) {
  MockHost host(wiremill_plugin);
  EXPECT_EQ(host.run({{.id = "a"}})[0].extension, "null");
  EXPECT_EQ(host.gauges().at("settle_left_us"), -1);
  host.set_deadline_us(1000);
  host.set_clock(7, 10);
  // Each document has it from where it begins: one look when it began, one more by the stage, then this.
  const auto results = host.run({{.id = "a"}, {.id = "slow"}, {.id = "b"}});
  EXPECT_EQ(results[0].extension, "980");
  EXPECT_EQ(results[1].code, "LATE");
  EXPECT_EQ(results[1].verdict, WM_BAD_DOCUMENT);
  EXPECT_EQ(results[2].extension, "980");
  EXPECT_EQ(host.observations().at("settle_left_us_begun"), (std::vector<double>{0, 990, 990}));
}

TEST(MockHost, TimeLeftIsNeverBelowNothing) {
  MockHost host(wiremill_plugin);
  host.set_deadline_us(1000);
  host.set_clock(0, 100'000);
  EXPECT_EQ(host.run({{.id = "a"}})[0].extension, "0");
}

TEST(MockHost, CancelsWhereADocumentBegins) {
  MockHost host(wiremill_plugin);
  host.cancel_at(1);
  const auto results = host.run({{.id = "a"}, {.id = "slow"}, {.id = "b"}});
  EXPECT_EQ(results[0].extension, "null");
  EXPECT_EQ(results[1].code, "CANCELLED");
  EXPECT_EQ(results[2].extension, std::nullopt) << "the batch goes no further";
  host.cancel_at(std::nullopt);
  EXPECT_EQ(host.run({{.id = "b"}})[0].extension, "null");
}

// A table's first bytes alone, in memory that ends there: which the compiler must not see.
template <class Table>
struct Cut {
  __attribute__((noinline)) Cut(const Table& table, size_t bytes) : memory(std::malloc(bytes)) {
    std::memcpy(memory, &table, bytes);
    const auto size = static_cast<uint32_t>(bytes);
    std::memcpy(memory, &size, sizeof size);  // struct_size
  }
  ~Cut() { std::free(memory); }
  Cut(const Cut&) = delete;
  Cut& operator=(const Cut&) = delete;
  const Table* get() const { return static_cast<const Table*>(memory); }
  void* memory;
};

TEST(AHostOfAbi12, HearsNoGaugesAndTellsNoDeadline) {
  const auto never = [](const wm_host*, wm_view, double) { std::abort(); };
  wm_host whole{};
  whole.log = [](const wm_host*, uint32_t, wm_view) {};
  whole.count = [](const wm_host*, wm_view, uint64_t) {};
  whole.gauge = whole.observe = never;
  const Cut<wm_host> host(whole, offsetof(wm_host, gauge));
  const auto fail = [](void*, wm_view) { FAIL(); };
  const wm_descriptor& stage = *wiremill_plugin.descriptor;
  void* const instance = stage.create(host.get(), nullptr, 0, fail, nullptr);
  ASSERT_NE(instance, nullptr);
  std::string said;
  wm_output output{};
  output.struct_size = sizeof output;
  output.begin = [](const wm_batch*, uint32_t) {};
  output.set_extension = [](const wm_batch* batch, uint32_t, wm_view json) -> int32_t {
    *static_cast<std::string*>(batch->host_data) += wiremill::to_string_view(json);
    return WM_ERROR_NONE;
  };
  wm_document document{};
  document.struct_size = sizeof document;
  const wm_document* const documents[] = {&document};
  const uint32_t cancelled = 0;
  const wm_batch told = {0, 1, documents, &output, nullptr, &cancelled, &said, 1};
  const Cut<wm_batch> batch(told, offsetof(wm_batch, deadline_us));
  EXPECT_EQ(stage.process(instance, batch.get()), 0);
  EXPECT_EQ(stage.settle(instance, batch.get()), 0);
  EXPECT_EQ(said, "null");
  stage.destroy(instance);
}

TEST(AHostOfAbi12, HasTheClockOfTheLibrary) {
  const Cut<wm_host> table(wm_host{}, offsetof(wm_host, gauge));
  const wiremill::Host host(table.get());
  const auto now_us = [] {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
  };
  const int64_t before_us = now_us(), seen_us = host.clock_us(), after_us = now_us();
  EXPECT_LE(before_us, seen_us);
  EXPECT_LE(seen_us, after_us);
}

}  // namespace
