// The stage `duplicates`: says of each document whether an earlier one has the same text (EXACT) or
// nearly the same (NEAR), and which. process makes the fingerprint, in parallel; settle compares it
// with those of earlier documents, in order.
#include <wiremill/stage.hpp>

#include <optional>
#include <string>
#include <vector>

#include "plugins/duplicates/fingerprint.hpp"
#include "plugins/duplicates/index.hpp"

namespace wiremill::duplicates {
namespace {

class Duplicates {
 public:
  static constexpr wm_option kOptions[] = {
      {"near_similarity", WM_OPTION_NUMBER, 0, "0.25",
       "Share of common 7-grams from which on two texts are near copies.", 0.05, 1},
      {"window", WM_OPTION_DURATION, 0, "7d", "How long a document is remembered.", 1000,
       365.0 * 86'400'000},
      {"documents_max", WM_OPTION_INTEGER, 0, "1000000",
       "How many documents are remembered; the oldest are forgotten first.", 1, 100'000'000},
      {"on_duplicate", WM_OPTION_STRING, 0, "annotate",
       "annotate, or drop: exact and near copies leave the line as DROPPED.", 0, 0},
      {}};
  static constexpr StageInfo kInfo = {
      .id = "wiremill.duplicates",
      .version = "1.0.0",
      .summary = "Finds exact and near copies of earlier documents.",
      .required = {"text"},
      .provided = {"duplicate"},
      .options = kOptions};

  Duplicates(const Host&, const Options& options)
      : index_options_{options.number("near_similarity"), options.integer("window") * 1000,
                       static_cast<uint64_t>(options.integer("documents_max"))},
        drops_(options.text("on_duplicate") == "drop") {
    if (!drops_ && options.text("on_duplicate") != "annotate")
      throw std::invalid_argument("on_duplicate must be 'annotate' or 'drop', not '" +
                                  options.text("on_duplicate") + "'");
  }

  Verdict process(const Document& document, Output& output) const {
    if (const auto fingerprint = make_fingerprint(document.text()))
      output.carry(encode(*fingerprint));
    return Verdict::ok();
  }

  void settle(Batch& batch) {
    if (batch.size() == 0) return;
    std::vector<std::optional<Fingerprint>> fingerprints(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) fingerprints[i] = decode(batch.document(i).carry());
    Index index(index_options_, batch, fingerprints);
    for (size_t i = 0; i < batch.size(); ++i) report(index.settle(i), batch, i);
  }

 private:
  void report(const std::optional<Match>& match, const Batch& batch, size_t i) const {
    wm_duplicate duplicate{};
    const std::string id(batch.document(i).id());
    duplicate.cluster = to_view(id);
    if (match) {
      duplicate.kind = match->is_exact ? WM_DUPLICATE_EXACT : WM_DUPLICATE_NEAR;
      duplicate.of = to_view(match->of);
      duplicate.cluster = to_view(match->cluster);
      duplicate.similarity = match->similarity;
      duplicate.containment = match->containment;
    }
    batch.output(i).duplicate(duplicate);
    if (match && drops_)
      batch.verdict(i, Verdict::drop("DUPLICATE",
                                     (match->is_exact ? "an exact copy of " : "a near copy of ") +
                                         match->of));
  }

  const IndexOptions index_options_;
  const bool drops_;
};

}  // namespace
}  // namespace wiremill::duplicates

WIREMILL_STAGE(wiremill::duplicates::Duplicates)
