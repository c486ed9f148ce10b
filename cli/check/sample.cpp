#include "cli/check/sample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "daemon/text/utf8.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kSlowBytes = 64 << 10;

constexpr std::string_view kSentences[] = {
    "The ferry left Oslo at dawn on Monday with forty passengers on board.",
    "Nobody saw it go, the harbour office said.",
    "Maria Lopez, who chairs the council, asked for a report within a week.",
    "The bridge over the Douro was closed for repairs in 2019 and opened again in March.",
    "\"We had no warning at all,\" said John Smith of Northern Rail.",
    "Prices rose by 4.5 percent in the second quarter, the central bank said.",
    "The court in Geneva will hear the case on 12 June.",
    "Acme Corp. denied that it had known of the fault.",
    "Engineers from Porto and Lyon tested the new turbine for eleven days.",
    "The storm took the roofs of nine houses and a school.",
    "A spokesman for the ministry declined to comment.",
    "The museum will lend three paintings to the National Gallery in London.",
    "Farmers in the valley expect the best harvest in a decade.",
    "The team won by two goals to one after extra time.",
    "It was the third such accident since April, according to the police.",
    "The satellite reached its orbit at 14:05 and sent its first picture.",
    "Scientists at the University of Leeds published the findings in Nature.",
    "The talks between France and Kenya went on until midnight.",
    "He was elected mayor of Springfield with 52 percent of the vote.",
    "The company plans to hire 300 people in Dublin and Austin.",
};

uint64_t next(uint64_t& random) {
  random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return random >> 33;
}

std::string article_text(size_t number) {
  uint64_t random = number * 7919 + 17;
  std::string text =
      fmt::format("Report {} counts {} boats and {} crates.\n", number, number * 3 + 2, number % 7);
  const size_t sentences = 4 + number % 5;
  for (size_t i = 0; i < sentences; ++i) {
    text += kSentences[next(random) % std::size(kSentences)];
    text += i % 3 == 2 ? '\n' : ' ';
  }
  return text;
}

std::string repeated(std::string_view part, size_t bytes) {
  std::string text;
  text.reserve(bytes + part.size());
  while (text.size() < bytes) text += part;
  return text;
}

Sample with_body(std::string id, std::string body) {
  Sample sample;
  sample.id = std::move(id);
  sample.source = "check.example";
  sample.body = std::move(body);
  return sample;
}

}  // namespace

std::vector<Sample> articles(size_t count) {
  std::vector<Sample> samples;
  for (size_t i = 0; i < count; ++i) {
    const size_t told = i % 10 == 9 ? i - 3 : i;
    Sample sample = with_body(fmt::format("article-{}", i), article_text(told));
    sample.source = fmt::format("paper-{}.example", i % 5);
    sample.uri = fmt::format("https://{}/{}", sample.source, i);
    sample.title = fmt::format("What report {} says", told);
    sample.attributes["edition"] = std::to_string(i % 3);
    if (i % 10 == 9) sample.body += "More follows.\n";
    if (i % 5 == 4) {
      sample.content_type = "text/html";
      sample.body = fmt::format(
          "<html><head><title>{}</title></head><body><nav>Home | News</nav><article><p>{}</p>"
          "</article><footer>All rights reserved</footer></body></html>",
          sample.title, sample.body);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<Sample> sizes(size_t bytes_max) {
  std::vector<Sample> samples;
  Sample empty;
  empty.id = "nothing";
  empty.language = "";
  samples.push_back(empty);
  samples.push_back(with_body("empty-body", ""));
  samples.back().title = "Only a title";
  samples.push_back(with_body("one-letter", "a"));
  samples.push_back(with_body("white-space", " \t\r\n  \n\n"));
  samples.push_back(with_body("huge-of-articles", repeated(article_text(1), bytes_max)));
  samples.push_back(with_body("huge-without-a-blank", repeated("abcdefghij", bytes_max)));
  samples.push_back(with_body("huge-of-short-lines", repeated("so it goes\n", bytes_max)));
  samples.push_back(
      with_body("huge-of-HTML", repeated("<p>The ferry left <b>Oslo</b> at dawn.</p>", bytes_max)));
  samples.back().content_type = "text/html";
  return samples;
}

std::vector<Sample> text_edges() {
  std::vector<Sample> samples;
  const auto add = [&](std::string id, std::string body, std::string language = "en") {
    samples.push_back(with_body(std::move(id), std::move(body)));
    samples.back().language = std::move(language);
  };
  constexpr std::string_view kWide[] = {"\u00e9", "\u20ac", "\U0001f600"};
  for (size_t lead = 0; lead < 8; ++lead)
    for (const std::string_view wide : kWide)
      add(fmt::format("{}-letters-before-characters-of-{}-bytes", lead, wide.size()),
          std::string(lead, 'x') + repeated(wide, 70) + " " + std::string(lead, 'y') +
              repeated(wide, 7) + ". Z" + std::string(wide));
  add("combining-marks",
      repeated("e\u0301a\u0308\u0304o\u0328 ", 300) + "Z\u0351\u0352\u0353\u0354.");
  add("joined-emoji",
      repeated("\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1f3\U0001f1f4 ", 300));
  add("right-to-left",
      "\u202b\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0639\u0631\u0628\u064a\u0629 abc 123\u202c. "
      "\u0642\u0627\u0644 \u0645\u062d\u0645\u062f \u0641\u064a \u0628\u064a\u0631\u0648\u062a.",
      "ar");
  add("names",
      "\u00c1ngela Mu\u00f1oz traf \u0141ukasz W\u00f3jcik in K\u00f6ln und \u0130stanbul. "
      "\u00d6sterreichs Pr\u00e4sident flog nach Z\u00fcrich\u2019s Flughafen \u2013 "
      "\u201eja\u201c.",
      "de");
  add("han",
      "\u5317\u4eac\u5e02\u6c11\u5728\u53e4\u901a\u6865\u4e0a\u3002\u738b\u660e\u8bf4\uff1a\u597d"
      "\u3002",
      "zh");
  add("thai", "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e\u0e21\u0e2b\u0e32\u0e19\u0e04\u0e23",
      "th");
  add("line-separators", "one\u2028two\u2029three\u0085four\rfive\u00a0six\u3000seven\u200beight");
  add("byte-order-mark", "\ufeffBegins with a mark.");
  add("last-code-points", "\U0010ffff \uffff \ufffd \ue000 \u0001\u0007\u001b[31m\u007f");
  add("cut-in-a-character", "The ferry left Troms\xc3");
  add("not-UTF-8", "caf\xe9 \xff\xfe \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 na\xefve");
  add("NUL", std::string("before\0after\0", 13));
  Sample wide_fields = with_body("wide-fields", "Plain text.");
  wide_fields.title = "\U0001f600\u00e9\u20ac" + std::string(1, '\0') + "\u0301";
  wide_fields.source = "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444";
  wide_fields.uri = "https://\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/\u00e9";
  wide_fields.attributes["\u00e9"] = "\U0001f600";
  samples.push_back(std::move(wide_fields));
  return samples;
}

std::vector<Sample> patience_tests() {
  return {with_body("one-letter-64-KiB", std::string(kSlowBytes, 'a')),
          with_body("brackets", repeated("(", kSlowBytes / 2) + repeated(")", kSlowBytes / 2)),
          with_body("blanks", "x" + std::string(kSlowBytes, ' ') + "x"),
          with_body("one-word", repeated("Oslo ", kSlowBytes)),
          with_body("digits-and-dots", repeated("1.2,3", kSlowBytes)),
          with_body("capitals", repeated("Aa Bb. ", kSlowBytes)),
          with_body("at-signs", repeated("a@", kSlowBytes)),
          with_body("open-elements", repeated("<div>", kSlowBytes)),
          with_body("ampersands", repeated("&amp", kSlowBytes))};
}

Sample mutated(const std::vector<Sample>& seeds, uint64_t& random) {
  Sample sample = seeds[next(random) % seeds.size()];
  const auto change = [&](std::string& text) {
    const size_t changes = 1 + next(random) % 8;
    for (size_t i = 0; i < changes; ++i) {
      const size_t at = text.empty() ? 0 : next(random) % text.size();
      const size_t length = std::min(text.size() - at, static_cast<size_t>(next(random) % 40));
      switch (next(random) % 6) {
        case 0: text.insert(at, 1, static_cast<char>(next(random))); break;
        case 1: text.erase(at, length); break;
        case 2: text.insert(at, text.substr(at, length)); break;
        case 3:
          if (!text.empty()) text[at] = static_cast<char>(next(random));
          break;
        case 4: text.resize(at); break;
        default: {
          const std::string& other = seeds[next(random) % seeds.size()].body;
          const size_t from = other.empty() ? 0 : next(random) % other.size();
          text.insert(at, other.substr(from, next(random) % 200));
        }
      }
    }
  };
  change(sample.body);
  if (next(random) % 4 == 0) change(sample.title);
  if (next(random) % 8 == 0) change(sample.source);
  if (next(random) % 8 == 0) change(sample.content_type);
  if (next(random) % 8 == 0) sample.language = next(random) % 2 == 0 ? "" : "de";
  // Mostly UTF-8, as it comes; and only the body may be anything else.
  if (next(random) % 4 != 0) sample.body = text::repair(sample.body);
  for (std::string* field : {&sample.title, &sample.source, &sample.content_type})
    *field = text::repair(*field);
  return sample;
}

}  // namespace wiremill::check
