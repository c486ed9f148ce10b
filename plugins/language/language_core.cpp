// Language detection in four steps.
//
// 1. Strip: URLs, addresses, numbers and words that look like code (base64, hashes, camelCase runs)
//    become blanks of the same length, so that offsets stay what they were. A text of which no
//    letters are left, or in which the signs of code outweigh the words, is zxx.
// 2. Count the letters' scripts by ICU.
// 3. CLD2 with its full tables, best effort. Only where it sees more than one language is it asked
//    again for the pieces, which become spans; pieces under kSpanBytesMin join a neighbour.
// 4. CLD2's percentages say how much of the text is in a language, not how likely that is true: a
//    logistic formula over what CLD2 reports gives the probability. An answer that is more likely
//    wrong than kConfidenceMin allows is und.
//
// The stripped copy costs about a tenth of CLD2's own time; asking for pieces always would double
// it.
#include "plugins/language/language_core.hpp"

#include <cstdio>  // CLD2's header needs FILE
// clang-format off
#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
// clang-format on
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace wiremill::language {
namespace {

constexpr double kConfidenceMin = 0.12;
constexpr double kCodeSignsMax = 0.4;  // per letter
constexpr size_t kCodeWordBytesMin = 16;
constexpr uint32_t kSpanBytesMin = 24;
constexpr double kSpanShareMin = 0.1;  // of the text, for a language to count as mixed in
constexpr int kOneLanguagePercent = 97;

struct CodePoint {
  UChar32 value;
  size_t next;
};

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {static_cast<UChar32>(lead), at + 1};
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t value = lead & (0x7fU >> length);
  size_t next = at + 1;
  for (; next < text.size() && next < at + length; ++next)
    value = value << 6 | (static_cast<unsigned char>(text[next]) & 0x3fU);
  return {static_cast<UChar32>(value), next};
}

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// The script of each letter of the Basic Multilingual Plane; kNoLetter and kCodeSign for the rest.
constexpr uint8_t kNoLetter = USCRIPT_COMMON;
constexpr uint8_t kCodeSign = USCRIPT_INHERITED;
static_assert(USCRIPT_CODE_LIMIT <= 256);

uint8_t script_of(UChar32 c) {
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  return u_isalpha(c) && U_SUCCESS(status) && script > USCRIPT_INHERITED
             ? static_cast<uint8_t>(script)
             : kNoLetter;
}

const std::array<uint8_t, 0x10000>& scripts_of_bmp() {
  static const auto kScripts = [] {
    std::array<uint8_t, 0x10000> scripts{};
    for (UChar32 c = 0; c < 0x10000; ++c) scripts[static_cast<size_t>(c)] = script_of(c);
    for (const char c : std::string_view("{}[]<>=+*/\\|&%$#^~_\"();:"))
      scripts[static_cast<size_t>(c)] = kCodeSign;
    return scripts;
  }();
  return kScripts;
}

// URLs, mail addresses, handles; long ASCII words that change between cases and digits.
bool is_no_language(std::string_view word, bool has_address_sign) {
  if (has_address_sign) {
    if (word.find("://") != std::string_view::npos) return true;
    const size_t at_sign = word.find('@');
    if (at_sign != std::string_view::npos &&
        (at_sign == 0 || word.find('.', at_sign) != std::string_view::npos))
      return true;
  }
  if (word.starts_with("www.")) return true;
  if (word.size() < kCodeWordBytesMin) return false;
  size_t changes = 0;
  for (size_t i = 1; i < word.size(); ++i) {
    if (static_cast<signed char>(word[i]) < 0) return false;
    changes += (is_lower(word[i - 1]) && is_upper(word[i])) || is_digit(word[i]);
  }
  return changes >= 4 && changes * 12 >= word.size();
}

struct Letters {
  uint32_t count = 0;
  uint32_t code_signs = 0;
  std::string script = "Zyyy";
};

Letters count_letters(std::string_view text) {
  const auto& bmp = scripts_of_bmp();
  std::array<uint32_t, 256> scripts{};
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at = c.next;
    ++scripts[c.value < 0x10000 ? bmp[static_cast<size_t>(c.value)] : script_of(c.value)];
  }
  Letters letters;
  letters.code_signs = scripts[kCodeSign];
  scripts[kNoLetter] = scripts[kCodeSign] = 0;
  letters.count = std::accumulate(scripts.begin(), scripts.end(), 0U);
  // Han beside Kana is Japanese writing, Han beside Hangul Korean.
  const uint32_t kana = scripts[USCRIPT_HIRAGANA] + scripts[USCRIPT_KATAKANA];
  if (kana > 0 && kana * 10 > scripts[USCRIPT_HAN]) {
    scripts[USCRIPT_JAPANESE] = kana + scripts[USCRIPT_HAN];
    scripts[USCRIPT_HAN] = scripts[USCRIPT_HIRAGANA] = scripts[USCRIPT_KATAKANA] = 0;
  }
  if (scripts[USCRIPT_HANGUL] > scripts[USCRIPT_HAN]) {
    scripts[USCRIPT_KOREAN] = scripts[USCRIPT_HANGUL] + scripts[USCRIPT_HAN];
    scripts[USCRIPT_HANGUL] = scripts[USCRIPT_HAN] = 0;
  }
  if (letters.count > 0) {
    const auto most = std::max_element(scripts.begin(), scripts.end());
    letters.script = uscript_getShortName(static_cast<UScriptCode>(most - scripts.begin()));
  }
  return letters;
}

// The macro-language under which CLD2 knows a code.
std::string_view macro(std::string_view code) { return code == "nb" ? "no" : code; }

class Candidates {
 public:
  explicit Candidates(const std::vector<std::string>& codes) : codes_(codes) {}
  bool admits(std::string_view code) const {
    return codes_.empty() || std::any_of(codes_.begin(), codes_.end(), [&](const auto& candidate) {
             return macro(candidate) == macro(code) || (candidate == "no" && code == "nn");
           });
  }
  // Norwegian is told as the candidate names it.
  std::string spelled(std::string code) const {
    const auto listed = [&](std::string_view c) {
      return std::find(codes_.begin(), codes_.end(), c) != codes_.end();
    };
    return code == "no" && !listed("no") && listed("nb") ? "nb" : code;
  }
  std::string hint() const {
    std::string hint;
    for (const std::string& code : codes_) hint += (hint.empty() ? "" : ",") + code;
    return hint;
  }

 private:
  const std::vector<std::string>& codes_;
};

struct Answer {
  std::array<CLD2::Language, 3> languages{};
  std::array<int, 3> percents{};
  std::array<double, 3> scores{};
  int bytes = 0;
  bool reliable = false;
};

Answer ask(std::string_view text, const std::string& hint, CLD2::ResultChunkVector* chunks) {
  Answer answer;
  CLD2::CLDHints hints = {hint.empty() ? nullptr : hint.c_str(), nullptr, CLD2::UNKNOWN_ENCODING,
                          CLD2::UNKNOWN_LANGUAGE};
  int valid_bytes = 0;
  CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), static_cast<int>(text.size()), true, &hints,
                                          CLD2::kCLDFlagBestEffort, answer.languages.data(),
                                          answer.percents.data(), answer.scores.data(), chunks,
                                          &answer.bytes, &answer.reliable, &valid_bytes);
  return answer;
}

// The language of one of CLD2's pieces; where the piece has none in a text that has several, what
// the piece is when looked at alone.
std::string piece_code(std::string_view piece, uint16_t language, const Candidates& candidates,
                       const std::string& hint) {
  std::string code = normal_code(CLD2::LanguageCode(static_cast<CLD2::Language>(language)));
  if (code.empty() && piece.size() >= kSpanBytesMin)
    code = normal_code(CLD2::LanguageCode(ask(piece, hint, nullptr).languages[0]));
  return candidates.admits(code) ? candidates.spelled(std::move(code)) : std::string{};
}

// Moves both ends to character boundaries and leaves the blanks at both ends out.
void trim(std::string_view text, Span& span) {
  while (span.begin < text.size() && (text[span.begin] & 0xc0) == 0x80) ++span.begin;
  while (span.end < text.size() && (text[span.end] & 0xc0) == 0x80) ++span.end;
  while (span.begin < span.end && is_blank(text[span.begin])) ++span.begin;
  while (span.begin < span.end && is_blank(text[span.end - 1])) --span.end;
}

// Spans of the languages in `text`: small pieces and pieces without a language join the one before
// them, languages with less than kSpanShareMin of the text are left out. None where only one
// language is left.
std::vector<Span> mixed_spans(std::string_view text, const CLD2::ResultChunkVector& chunks,
                              const Candidates& candidates, const std::string& hint) {
  const auto size = static_cast<uint32_t>(text.size());
  std::vector<Span> pieces;
  for (const CLD2::ResultChunk& chunk : chunks) {
    Span piece;
    piece.begin = std::min(static_cast<uint32_t>(std::max(chunk.offset, 0)), size);
    piece.end = std::min(piece.begin + static_cast<uint32_t>(std::max(chunk.bytes, 0)), size);
    piece.code = piece_code(text.substr(piece.begin, piece.end - piece.begin), chunk.lang1,
                            candidates, hint);
    const bool joins = piece.code.empty() || piece.end - piece.begin < kSpanBytesMin;
    if (!pieces.empty() && (joins || piece.code == pieces.back().code)) {
      pieces.back().end = piece.end;
    } else if (!joins) {
      pieces.push_back(std::move(piece));
    }
  }
  std::map<std::string_view, uint32_t> bytes;
  for (const Span& piece : pieces) bytes[piece.code] += piece.end - piece.begin;
  std::vector<Span> spans;
  for (const Span& piece : pieces) {
    if (bytes[piece.code] < kSpanShareMin * static_cast<double>(size)) continue;
    if (!spans.empty() && spans.back().code == piece.code) {
      spans.back().end = piece.end;
    } else {
      if (!spans.empty()) spans.back().end = std::min(spans.back().end, piece.begin);
      spans.push_back(piece);
    }
  }
  if (spans.size() < 2) return {};
  for (Span& span : spans) trim(text, span);
  return spans;
}

}  // namespace

std::string normal_code(std::string_view code) {
  if (code.starts_with("xx") || code.starts_with("zz") || code == "un" || code == "ut" ||
      code == "tlh")
    return {};
  code = code.substr(0, code.find('-'));
  if (code == "iw") return "he";
  if (code == "jw") return "jv";
  if (code == "in") return "id";
  if (code == "ji") return "yi";
  if (code == "mo") return "ro";
  if (code == "sh") return "sr";
  if (code == "fil") return "tl";
  if (code == "bh") return "bho";
  return std::string(code);
}

std::string strip(std::string_view text) {
  std::string out(text);
  for (size_t begin = 0; begin < out.size();) {
    if (is_blank(out[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin;
    bool has_address_sign = false, has_digit = false;
    for (; end < out.size() && !is_blank(out[end]); ++end) {
      has_address_sign |= out[end] == '@' || out[end] == '/';
      has_digit |= is_digit(out[end]);
    }
    if (is_no_language({out.data() + begin, end - begin}, has_address_sign)) {
      std::fill_n(out.data() + begin, end - begin, ' ');
    } else if (has_digit) {
      std::replace_if(out.data() + begin, out.data() + end, is_digit, ' ');
    }
    begin = end;
  }
  return out;
}

// Logistic regression on the measuring program's evidence (every second row of its input), with
// the two logarithms held inside the range where more of either means more certainty.
double calibrated(const Evidence& evidence) {
  const double bytes = std::log(1.0 + std::clamp(evidence.scored_bytes, 0, 600));
  const double score = std::log(1.0 + std::max(evidence.score, 60.0));
  const double share = evidence.percent / 100.0;
  const double sum = -1.4180 + 1.7751 * bytes - 5.1723 * score + 8.1802 * share -
                     0.2622 * bytes * bytes + 0.5064 * score * score + 0.2041 * bytes * score;
  return 1 / (1 + std::exp(-sum));
}

Detection detect(std::string_view text, const Settings& settings, Evidence* evidence) {
  if (text.size() > settings.bytes_max) {
    size_t cut = settings.bytes_max;
    while (cut > 0 && (text[cut] & 0xc0) == 0x80) --cut;
    text = text.substr(0, cut);
  }
  const std::string scored = strip(text);
  const Letters letters = count_letters(scored);
  Detection found;
  found.script = letters.script;
  if (letters.count == 0 || letters.code_signs > kCodeSignsMax * letters.count) {
    found.code = "zxx";
    found.confidence = 1;
    return found;
  }

  const Candidates candidates(settings.languages);
  const std::string hint = candidates.hint();
  const Answer answer = ask(scored, hint, nullptr);
  Evidence best;
  std::vector<Alternative> ranked;
  for (size_t i = 0; i < answer.languages.size(); ++i) {
    const std::string code = normal_code(CLD2::LanguageCode(answer.languages[i]));
    if (answer.percents[i] <= 0 || code.empty() || !candidates.admits(code)) continue;
    if (ranked.empty())
      best = {answer.bytes, answer.percents[i], answer.scores[i], answer.reliable};
    ranked.push_back({candidates.spelled(code), static_cast<double>(answer.percents[i])});
  }
  if (evidence) *evidence = best;
  if (ranked.empty()) return found;

  const double confidence = calibrated(best);
  double others = 0;
  for (size_t i = 1; i < ranked.size(); ++i) others += ranked[i].confidence;
  for (size_t i = 1; i < ranked.size(); ++i)
    ranked[i].confidence *= std::min(confidence, 1 - confidence) / std::max(others, 1.0);
  ranked.front().confidence = confidence;
  if (confidence < kConfidenceMin) {
    found.alternatives = std::move(ranked);
    return found;
  }
  found.code = ranked.front().code;
  found.confidence = confidence;
  found.alternatives.assign(ranked.begin() + 1, ranked.end());
  if (best.percent < kOneLanguagePercent && found.alternatives.size() > 0) {
    CLD2::ResultChunkVector chunks;
    ask(scored, hint, &chunks);
    found.spans = mixed_spans(scored, chunks, candidates, hint);
  }
  return found;
}

}  // namespace wiremill::language
