// What a stage makes of batches and documents of every size, and of every text.
#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kManyDocuments = 1000, kManyDocumentsBriefly = 300;
constexpr size_t kHugeBytes = 4 << 20, kHugeBytesBriefly = 400 << 10;

// The names of those annotations, as descriptors write them.
std::string names_of(Annotations set) {
  std::string out;
  for (const char* name : {"title", "published", "byline", "dateline", "text", "language",
                           "entities", "duplicate", "summary", "extensions.<id>"})
    if ((set & *annotation_named(name)) != 0) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace

Result<std::string> check_batches(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  const size_t many = request.brief ? kManyDocumentsBriefly : kManyDocuments;
  const std::vector<Sample> samples = articles(many);
  Answers expected;
  for (const size_t batch : {size_t{1}, size_t{7}, many}) {
    note_doing(fmt::format("batches of {}", batch));
    WM_CHECK_GET(trial, Trial::make(subject));
    WM_CHECK_GET(found, trial->run(samples, batch));
    WM_TRY(none_failed(found));
    if (expected.empty())
      expected = std::move(found);
    else
      WM_TRY(same(expected, found, fmt::format("in batches of {}", batch)));
  }
  note_doing("a batch of no documents");
  WM_CHECK_GET(trial, Trial::make(subject));
  for (const bool settle : {false, true})
    if (!settle || subject.settles())
      if (const int32_t answer = trial->stage().call_empty(settle); answer != 0)
        return red("{} answers {} to a batch of no documents", settle ? "settle" : "process",
                   answer);
  return fmt::format("{0} documents in batches of 1, 7 and {0}, and a batch of none", many);
}

Result<std::string> check_sizes(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  const size_t bytes_max = request.brief ? kHugeBytesBriefly : kHugeBytes;
  const std::vector<Sample> samples = sizes(bytes_max);
  WM_CHECK_GET(answers, trial->run(samples, 1));
  WM_TRY(none_failed(answers));
  return fmt::format("{} documents from nothing to {} KiB", samples.size(), bytes_max >> 10);
}

Result<std::string> check_text(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  const std::vector<Sample> samples = text_edges();
  WM_CHECK_GET(answers, trial->run(samples, 1));
  if (const auto refusals = trial->stage().refusals(); !refusals.empty())
    return red("the host refused {}", fmt::join(refusals, "; "));
  WM_TRY(none_failed(answers));
  return fmt::format("{} documents", samples.size());
}

Result<std::string> check_annotations(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_CHECK_GET(trial, Trial::make(subject));
  WM_CHECK_GET(answers, trial->run(articles(50), 10));
  // Paragraphs come with the text and have no name of their own but that.
  const Annotations undeclared =
      trial->stage().annotations_set() & ~subject.provided & ~Annotations{kParagraphs};
  if (undeclared != 0) return red("it sets {}, not among what it provides", names_of(undeclared));
  return fmt::format("{} documents", answers.size());
}

}  // namespace wiremill::check
