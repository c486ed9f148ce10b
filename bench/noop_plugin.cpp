// A stage that does nothing, so that only what a stage costs the daemon is measured.
#include <wiremill/stage.hpp>

namespace {

struct Noop {
  static constexpr wiremill::StageInfo kInfo = {
      .id = "bench.noop", .version = "1.0.0", .summary = "Does nothing.", .required = {"text"}};
  Noop(const wiremill::Host&, const wiremill::Options&) {}
  wiremill::Verdict process(const wiremill::Document&, wiremill::Output&) const { return {}; }
};

}  // namespace

WIREMILL_STAGE(Noop)
