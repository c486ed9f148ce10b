// wiremill/golden.hpp: golden files for tests of stages. Header only, C++20, no dependency but the
// standard library. A golden file holds what the stage is to make of some documents, as text that a
// person has looked at once:
//
//   const auto results = host.run(documents);
//   EXPECT_EQ(check_golden(GOLDEN_FOLDER "/rain.txt", describe(results)), "");
//
// With WIREMILL_GOLDEN=write in the environment the files are written anew instead of compared; look
// at what changed before it is committed.
#ifndef WIREMILL_GOLDEN_HPP_
#define WIREMILL_GOLDEN_HPP_

#include <wiremill/testing.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::testing {

// Everything a stage said about each document, a line or more each, in a fixed order. Texts stand as
// they are, confidences with three decimals, spans as BEGIN-END.
std::string describe(const std::vector<TestResult>& results);

// "" where the file holds exactly `text`, else the first line that differs, both ways. Written where
// the environment says so, folders too; "" then, unless that fails.
std::string check_golden(const std::string& path, std::string_view text);

namespace detail {

inline std::string three_decimals(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", number);
  return text;
}

inline std::string span_text(uint32_t begin, uint32_t end) {
  return std::to_string(begin) + "-" + std::to_string(end);
}

inline std::string describe_one(const TestResult& result) {
  static constexpr const char* kVerdicts[] = {"OK",    "SKIP",         "DROP",
                                              "RETRY", "BAD_DOCUMENT", "FAILED"};
  static constexpr const char* kFields[] = {"title", "byline", "dateline", "text"};
  static constexpr const char* kDuplicates[] = {"NONE", "EXACT", "NEAR", "REWRITE"};
  std::string out = std::to_string(result.sequence) + ": ";
  out += result.verdict <= WM_FAILED ? kVerdicts[result.verdict] : "?";
  if (!result.code.empty()) out += " " + result.code;
  if (!result.message.empty()) out += ": " + result.message;
  out += '\n';
  for (const auto& [field, text] : result.texts)
    out += std::string("  ") + kFields[field] + ": " + text + '\n';
  if (result.published_us) out += "  published: " + std::to_string(*result.published_us) + '\n';
  if (result.paragraphs)
    for (const wm_paragraph& each : *result.paragraphs)
      out += "  paragraph: " + span_text(each.begin, each.end) + " was " +
             span_text(each.body_begin, each.body_end) + '\n';
  if (result.language) {
    const TestLanguage& language = *result.language;
    out += "  language: " + language.code + " " + three_decimals(language.confidence) + " " +
           language.script + '\n';
    for (const auto& [code, confidence] : language.alternatives)
      out += "    or " + code + " " + three_decimals(confidence) + '\n';
    for (const auto& [span, code] : language.spans)
      out += "    " + span_text(span.begin, span.end) + " " + code + '\n';
  }
  if (result.entities)
    for (const TestEntity& entity : *result.entities) {
      out += "  entity: " + entity.type + " " + entity.name + " " +
             three_decimals(entity.confidence) + " at";
      for (const wm_mention& mention : entity.mentions)
        out += " " + span_text(mention.span.begin, mention.span.end) + " (" +
               three_decimals(mention.confidence) + ")";
      out += '\n';
    }
  if (result.duplicate) {
    const TestDuplicate& duplicate = *result.duplicate;
    out += std::string("  duplicate: ") +
           (duplicate.kind <= WM_DUPLICATE_REWRITE ? kDuplicates[duplicate.kind] : "?");
    if (!duplicate.of.empty()) out += " of " + duplicate.of;
    out += " similarity " + three_decimals(duplicate.similarity) + " containment " +
           three_decimals(duplicate.containment) + " cluster " + duplicate.cluster + " story " +
           duplicate.story + " follows " + duplicate.follows + '\n';
  }
  if (result.summary) {
    out += "  summary: " + result.summary->text + "\n    sentences";
    for (const wm_span& span : result.summary->sentences)
      out += " " + span_text(span.begin, span.end);
    out += "\n    keywords";
    for (const std::string& keyword : result.summary->keywords) out += " [" + keyword + "]";
    out += '\n';
  }
  if (result.extension) out += "  extension: " + *result.extension + '\n';
  return out;
}

inline std::string write_golden(const std::string& path, std::string_view text) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;  // where it cannot be made, the file says so
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  return out ? "" : path + " cannot be written";
}

}  // namespace detail

inline std::string describe(const std::vector<TestResult>& results) {
  std::string out;
  for (const TestResult& result : results) out += detail::describe_one(result);
  return out;
}

inline std::string check_golden(const std::string& path, std::string_view text) {
  const char* const mode = std::getenv("WIREMILL_GOLDEN");
  if (mode != nullptr && std::string_view(mode) == "write") return detail::write_golden(path, text);
  std::ifstream in(path, std::ios::binary);
  if (!in) return path + " cannot be read; WIREMILL_GOLDEN=write writes it";
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  std::string_view expected = golden;
  for (size_t line = 1; expected != text; ++line) {
    const size_t end = std::min(expected.find('\n'), expected.size());
    const size_t text_end = std::min(text.find('\n'), text.size());
    const bool same = expected.substr(0, end + 1) == text.substr(0, text_end + 1);
    if (!same)
      return path + ", line " + std::to_string(line) +
             ":\n  golden: " + std::string(expected.substr(0, end)) +
             "\n  is:     " + std::string(text.substr(0, text_end)) +
             "\nWIREMILL_GOLDEN=write rewrites it";
    expected.remove_prefix(end + 1);
    text.remove_prefix(text_end + 1);
  }
  return "";
}

}  // namespace wiremill::testing

#endif  // WIREMILL_GOLDEN_HPP_
