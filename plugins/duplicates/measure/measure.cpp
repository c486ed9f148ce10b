// Measures the stage on a labelled set: how many copies it finds by kind of change, how many of its
// answers are right, against exact comparison alone, and how fast process and settle are.
//
//   duplicates_measure FILE.tsv [NEAR_SIMILARITY]…
//
// FILE holds a line "group TAB kind TAB text" for each document; documents of a group are copies of
// each other, `single` is a group of its own. Documents pass in the file's order in batches of 32.
// A document counts as a copy where one of its group came before. A missing file ends it with
// status 0. Without a NEAR_SIMILARITY the stage's own is measured, and a line that begins with `quality`
// is printed for tests/quality/quality.py: measure, value, must, aim.
#include <wiremill/testing.hpp>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <set>

#include "plugins/duplicates/fingerprint.hpp"

namespace {

struct Labelled {
  std::string group, kind, text;
};

struct Count {
  int copies = 0, found = 0, exact = 0;
};

// Processor time of this program, which has one thread: other programs do not disturb it much.
double seconds_since(std::clock_t start) {
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::vector<Labelled> read_set(const char* path) {
  std::vector<Labelled> set;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (second == std::string::npos) continue;
    set.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                   line.substr(second + 1)});
  }
  return set;
}

double ratio(int part, int whole) { return whole == 0 ? 0 : static_cast<double>(part) / whole; }

// Answers F1.
double measure(const std::vector<Labelled>& set, double near_similarity, double process_seconds) {
  wiremill::testing::MockHost host(wiremill_plugin, {{"near_similarity", near_similarity}});
  std::map<std::string, Count> kinds;
  std::map<std::string, std::string> group_of;  // by id
  std::set<std::string> seen;
  int reported = 0, right = 0, reported_exact = 0, right_exact = 0;
  constexpr size_t kBatch = 32;
  double seconds = 0;
  for (size_t begin = 0; begin < set.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, set.size());
    std::vector<wiremill::testing::TestDocument> batch;
    for (size_t i = begin; i < end; ++i) {
      batch.push_back({.id = std::to_string(i), .text = set[i].text});
      group_of[std::to_string(i)] = set[i].group;
    }
    const auto start = std::clock();
    const auto results = host.run(batch);
    seconds += seconds_since(start);
    for (size_t i = begin; i < end; ++i) {
      const auto& duplicate = results[i - begin].duplicate.value();
      const bool is_copy = !seen.insert(set[i].group).second;
      const bool is_reported = duplicate.kind != WM_DUPLICATE_NONE;
      const bool is_exact = duplicate.kind == WM_DUPLICATE_EXACT;
      const bool is_right = is_reported && group_of[duplicate.of] == set[i].group;
      reported += is_reported;
      right += is_right;
      reported_exact += is_exact;
      right_exact += is_exact && is_right;
      if (!is_copy) continue;
      Count& kind = kinds[set[i].kind];
      ++kind.copies;
      kind.found += is_right;
      kind.exact += is_exact && is_right;
    }
  }
  Count all;
  std::printf("near_similarity %.2f\n  kind     copies  found  exact only\n", near_similarity);
  for (const auto& [name, kind] : kinds) {
    std::printf("  %-8s %6d  %.3f  %.3f\n", name.c_str(), kind.copies,
                ratio(kind.found, kind.copies), ratio(kind.exact, kind.copies));
    all.copies += kind.copies;
    all.found += kind.found;
    all.exact += kind.exact;
  }
  const double precision = ratio(right, reported), recall = ratio(all.found, all.copies);
  const double f1 = 2 * precision * recall / (precision + recall);
  std::printf("  all      %6d  %.3f  %.3f\n", all.copies, recall, ratio(all.exact, all.copies));
  std::printf("  precision %.3f (%d of %d), exact only %.3f; F1 %.3f\n", precision, right, reported,
              ratio(right_exact, reported_exact), f1);
  const auto documents = static_cast<double>(set.size());
  size_t state_bytes = 0;
  for (const auto& [key, value] : host.state()) state_bytes += key.size() + value.size();
  std::printf("  state: %zu keys, %zu bytes a document\n", host.state().size() / set.size(),
              state_bytes / set.size());
  std::printf("  process and settle %.0f documents/s, settle alone %.0f\n", documents / seconds,
              documents / (seconds - process_seconds));
  return f1;
}

// Answers the seconds it took.
double measure_fingerprints(const std::vector<Labelled>& set) {
  size_t bytes = 0;
  const auto start = std::clock();
  for (const Labelled& document : set) {
    const auto fingerprint = wiremill::duplicates::make_fingerprint(document.text);
    bytes += fingerprint ? document.text.size() : 0;
  }
  const double seconds = seconds_since(start);
  std::printf("fingerprints: %.1f MB/s, %.0f documents/s\n",
              static_cast<double>(bytes) / seconds / 1e6,
              static_cast<double>(set.size()) / seconds);
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Labelled> set = argc > 1 ? read_set(argv[1]) : std::vector<Labelled>{};
  if (set.empty()) {
    std::fprintf(stderr, "no documents: nothing measured\n");
    return 0;
  }
  const double process_seconds = measure_fingerprints(set);
  for (int i = 2; i < argc; ++i) measure(set, std::strtod(argv[i], nullptr), process_seconds);
  if (argc == 2)
    std::printf("quality\tnear-dev, copies, F1\t%.3f\t.955\t.955\n",
                measure(set, 0.25, process_seconds));
  return 0;
}
