// Exact matching of names: see measure.hpp.
#include "plugins/entities/train/measure.hpp"

#include <cstdio>
#include <ctime>
#include <map>
#include <set>
#include <tuple>

namespace wiremill::entities {

double measure(const Tagger& tagger, const std::vector<Example>& examples, bool fold_events,
               const std::string& title, bool list_errors) {
  struct Counts {
    size_t right = 0, found = 0, wanted = 0;
  };
  std::array<Counts, kTypes + 1> counts{};
  std::array<Counts, 10> by_confidence{};
  text::Segmenter segmenter;
  double seconds = 0;
  size_t tokens = 0;
  for (const Example& example : examples) {
    const Prepared prepared = prepare(example, segmenter);
    tokens += prepared.segmentation.tokens.size();
    const std::clock_t start = std::clock();
    const auto mentions = tagger.mentions(prepared.input());
    seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;

    std::map<std::pair<uint32_t, uint32_t>, size_t> wanted;
    for (const Marked& name : example.names)
      for (size_t t = 0; t < kTypes; ++t)
        if (name.types == type_set(static_cast<Type>(t))) {
          wanted[{name.begin, name.end}] = t;
          ++counts[t].wanted;
        }
    const auto shown = [&](uint32_t begin, uint32_t end) {
      const uint32_t from = begin < 30 ? 0 : begin - 30;
      std::string line = example.text.substr(from, begin - from) + "[" +
                         example.text.substr(begin, end - begin) + "]" +
                         example.text.substr(end, 20);
      for (char& c : line) c = c == '\n' ? ' ' : c;
      return line;
    };
    for (const Mention& mention : mentions) {
      Type type = mention.type;
      if (fold_events && type == Type::Event) type = Type::Misc;
      const auto t = static_cast<size_t>(type);
      const auto match = wanted.find({mention.begin, mention.end});
      const bool right = match != wanted.end() && match->second == t;
      ++counts[t].found;
      counts[t].right += right;
      auto& bin = by_confidence[std::min<size_t>(9, static_cast<size_t>(mention.confidence * 10))];
      ++bin.found;
      bin.right += right;
      if (list_errors && !right)
        std::printf("+ %s %.2f (%s) %s\n", kTypeNames[t].data(), mention.confidence,
                    match == wanted.end() ? "-" : kTypeNames[match->second].data(),
                    shown(mention.begin, mention.end).c_str());
      if (right) wanted.erase(match);
    }
    if (list_errors)
      for (const auto& [span, t] : wanted)
        std::printf("- %s %s\n", kTypeNames[t].data(), shown(span.first, span.second).c_str());
  }
  std::printf("%s: %zu texts, %zu tokens, %.0f tokens a second of processor time\n", title.c_str(),
              examples.size(), tokens, static_cast<double>(tokens) / seconds);
  for (size_t t = 0; t < kTypes; ++t) {
    counts[kTypes].right += counts[t].right;
    counts[kTypes].found += counts[t].found;
    counts[kTypes].wanted += counts[t].wanted;
  }
  const auto share = [](size_t part, size_t whole) {
    return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
  };
  for (size_t t = 0; t <= kTypes; ++t) {
    const Counts& c = counts[t];
    std::printf("  %-5s precision %5.1f  recall %5.1f  F1 %5.1f  (%zu names)\n",
                t == kTypes ? "all" : kTypeNames[t].data(), share(c.right, c.found),
                share(c.right, c.wanted), share(2 * c.right, c.found + c.wanted), c.wanted);
  }
  std::printf("  right by confidence:");
  for (size_t i = 0; i < by_confidence.size(); ++i)
    if (by_confidence[i].found > 0)
      std::printf(
          " %.1f: %.2f of %zu;", static_cast<double>(i) / 10,
          static_cast<double>(by_confidence[i].right) / static_cast<double>(by_confidence[i].found),
          by_confidence[i].found);
  std::printf("\n");
  const Counts& all = counts[kTypes];
  return share(2 * all.right, all.found + all.wanted);
}

}  // namespace wiremill::entities
