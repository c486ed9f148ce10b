// The templates of features: see passage.hpp. Every change here asks for a new model.
#include <algorithm>

#include "plugins/entities/passage.hpp"

namespace wiremill::entities {
namespace {

constexpr uint32_t kNoRun = UINT32_MAX;
constexpr uint64_t kNoWord = 0x5bd1e995;

// Appends hashed features; each template has its number, each group of languages its salt.
class Features {
 public:
  Features(std::vector<uint32_t>& out, uint64_t salt) : out_(out), salt_(salt) {}
  template <class... Values>
  void operator()(uint64_t id, Values... values) {
    uint64_t hash = id + salt_;
    ((hash = mix(hash, static_cast<uint64_t>(values))), ...);
    out_.push_back(static_cast<uint32_t>(hash >> 16));
  }

 private:
  std::vector<uint32_t>& out_;
  uint64_t salt_;
};

}  // namespace

void Passage::features(const Stretch& stretch, uint32_t at, std::vector<uint32_t>& out) const {
  out.clear();
  static const Word kNone = [] {
    Word word;
    word.lower = kNoWord;
    return word;
  }();
  const auto near = [&](int step) -> const Word& {
    const int64_t i = int64_t{at} + step;
    return i < stretch.first || i >= stretch.end ? kNone : words_[static_cast<size_t>(i)];
  };
  const auto matches = [&](int step) -> uint64_t {
    const int64_t i = int64_t{at} + step;
    return i < stretch.first || i >= stretch.end ? 0 : matches_[static_cast<size_t>(i)];
  };
  const Word &word = near(0), &before = near(-1), &before2 = near(-2), &after = near(1),
             &after2 = near(2);
  const bool first = at == stretch.first;
  const auto letters = static_cast<uint64_t>(word.letters);
  const uint64_t share = capital_share_[at];

  Features shared(out, 0);
  shared(1, word.lower);
  shared(2, word.lower, letters);
  const uint64_t gazetteer = matches(0);
  for (uint64_t rest = gazetteer; rest != 0; rest &= rest - 1)
    shared(3, static_cast<uint64_t>(__builtin_ctzll(rest)));
  if (gazetteer != 0) {
    shared(4, gazetteer, letters);
    shared(5, gazetteer, word.suffix[2]);
  }
  if (matches(-1) != 0) shared(6, matches(-1), letters);
  if (matches(1) != 0) shared(7, matches(1), letters);
  shared(8, (matches(-1) != 0) + 2 * (gazetteer != 0) + 4 * (matches(1) != 0), letters,
         static_cast<uint64_t>(after.letters));

  Features feature(out, static_cast<uint64_t>(group_) * 0x10000);
  feature(10, letters, first, share);
  feature(11, before.lower);
  feature(12, before2.lower);
  feature(13, after.lower);
  feature(14, after2.lower);
  feature(15, before.lower, letters);
  feature(16, after.lower, letters);
  feature(17, before.lower, word.lower);
  feature(18, word.lower, after.lower);
  feature(19, before2.lower, before.lower, letters);
  feature(20, after.lower, after2.lower, letters);
  feature(21, word.shape);
  feature(22, before.shape, word.shape);
  feature(23, word.shape, after.shape);
  feature(24, before.shape, word.shape, after.shape);
  feature(25, before2.shape, before.shape, word.shape);
  feature(26, word.shape, after.shape, after2.shape);
  for (size_t i = 0; i < kAffixes; ++i) {
    if (word.prefix[i] != 0 && i > 0) feature(30 + i, word.prefix[i], letters);
    if (word.suffix[i] != 0) feature(34 + i, word.suffix[i], letters);
  }
  feature(38, word.suffix[2], before.shape);
  feature(39, word.suffix[2], after.suffix[2], static_cast<uint64_t>(after.letters), letters);
  feature(40, before.suffix[2], static_cast<uint64_t>(before.letters), word.suffix[2], letters);
  feature(41, word.kind, before.kind, after.kind);

  if (word.clusters[0] != 0 || word.clusters[1] != 0) {
    for (size_t i = 0; i < kClusterSizes; ++i) feature(50 + i, word.clusters[i], letters);
    feature(54, word.clusters[1], before.clusters[1], letters);
    feature(55, word.clusters[1], after.clusters[1], letters);
  } else {
    feature(56, letters, first, share);
  }
  feature(57, before.clusters[1], letters);
  feature(58, before.clusters[3], letters);
  feature(59, after.clusters[1], letters);
  feature(60, after.clusters[3], letters);
  feature(61, before2.clusters[2], letters);
  feature(62, after2.clusters[2], letters);
  feature(63, before2.clusters[1], before.clusters[1], letters);
  feature(64, after.clusters[1], after2.clusters[1], letters);
  feature(65, before.clusters[2], after.clusters[2], letters);

  if (const uint32_t index = run_of_[at]; index != kNoRun) {
    const Run& run = runs_[index];
    const uint32_t length = std::min<uint32_t>(run.end - run.first, 6);
    const uint32_t place = std::min<uint32_t>(at - run.first, 4);
    const uint32_t rest = std::min<uint32_t>(run.end - 1 - at, 4);
    const Word& left = run.first > stretch.first ? words_[run.first - 1] : kNone;
    const Word& right = run.end < stretch.end ? words_[run.end] : kNone;
    feature(70, length, place, rest, share);
    feature(71, left.lower, length, place);
    feature(72, right.lower, length, rest);
    feature(73, left.lower);
    feature(74, right.lower);
    feature(75, left.clusters[1], length, place);
    feature(76, right.clusters[1], length, rest);
    feature(77, words_[run.first].lower, place);
    feature(78, words_[run.end - 1].lower, rest);
    feature(79, words_[run.end - 1].clusters[2], rest);
    feature(80, words_[run.first].clusters[2], place);
    feature(81, left.lower, right.lower, length);
    const bool names_at_end = (matches_[run.end - 1] & (uint64_t{8} << (4 * 8))) != 0;
    feature(82, names_at_end, place, rest);
  } else {
    // Small words inside a name: "of", "de", "bin" between capitalised ones.
    feature(83, before.letters, after.letters, word.lower);
    feature(84, word.lower, before.clusters[1], after.clusters[1]);
  }

  if (word.capital()) {
    const auto found = writing_.find(word.lower);
    const Writing writing = found == writing_.end() ? Writing{} : found->second;
    const uint32_t lower = std::min<uint32_t>(writing.lower, 2);
    const uint32_t others =
        std::min<uint32_t>(writing.capital - std::min<uint32_t>(writing.capital, first ? 0 : 1), 3);
    feature(90, lower, others, first, share >= 3);
    feature(91, lower, others, word.clusters[1]);
  }
}

}  // namespace wiremill::entities
