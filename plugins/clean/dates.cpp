// Dates; see dates.hpp. The text is cut into numbers, words and marks, and the few orders in which
// a date is written are tried at each number or month name.
#include "plugins/clean/dates.hpp"

#include <array>
#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/eight_bytes.hpp"
#include "plugins/clean/lines.hpp"
#include "plugins/clean/phrases.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kBytesMax = 400;

struct Piece {
  enum Kind : uint8_t { kNumber, kWord, kMark } kind;
  std::string_view text;
  size_t begin;
  bool blank_before;
  int value;  // of a number of up to 4 digits, a month's number for a word; else -1
};

// Month names by their beginnings, in lower case: the shortest that tells them apart from ordinary
// words. A match must be the whole word or one of the forms listed.
struct MonthName {
  std::string_view name;
  int month;
};
constexpr std::array kMonths = std::to_array<MonthName>({
    {"january", 1},    {"jan", 1},       {"januar", 1},        {"jänner", 1},     {"janvier", 1},
    {"janv", 1},       {"enero", 1},     {"ene", 1},           {"gennaio", 1},    {"gen", 1},
    {"janeiro", 1},    {"januari", 1},   {"stycznia", 1},      {"января", 1},     {"янв", 1},
    {"leden", 1},      {"ledna", 1},     {"ocak", 1},          {"february", 2},   {"feb", 2},
    {"februar", 2},    {"février", 2},   {"févr", 2},          {"fév", 2},        {"febrero", 2},
    {"febbraio", 2},   {"fevereiro", 2}, {"fev", 2},           {"februari", 2},   {"lutego", 2},
    {"февраля", 2},    {"фев", 2},       {"února", 2},         {"şubat", 2},      {"march", 3},
    {"mar", 3},        {"märz", 3},      {"mär", 3},           {"mars", 3},       {"marzo", 3},
    {"março", 3},      {"maart", 3},     {"marca", 3},         {"марта", 3},      {"мар", 3},
    {"března", 3},     {"mart", 3},      {"april", 4},         {"apr", 4},        {"avril", 4},
    {"avr", 4},        {"abril", 4},     {"abr", 4},           {"aprile", 4},     {"kwietnia", 4},
    {"апреля", 4},     {"апр", 4},       {"dubna", 4},         {"nisan", 4},      {"may", 5},
    {"mai", 5},        {"mayo", 5},      {"maggio", 5},        {"mag", 5},        {"maio", 5},
    {"mei", 5},        {"maja", 5},      {"мая", 5},           {"května", 5},     {"mayıs", 5},
    {"maj", 5},        {"june", 6},      {"jun", 6},           {"juni", 6},       {"juin", 6},
    {"junio", 6},      {"giugno", 6},    {"giu", 6},           {"junho", 6},      {"czerwca", 6},
    {"июня", 6},       {"июн", 6},       {"června", 6},        {"haziran", 6},    {"july", 7},
    {"jul", 7},        {"juli", 7},      {"juillet", 7},       {"juil", 7},       {"julio", 7},
    {"luglio", 7},     {"lug", 7},       {"julho", 7},         {"lipca", 7},      {"июля", 7},
    {"июл", 7},        {"července", 7},  {"temmuz", 7},        {"august", 8},     {"aug", 8},
    {"août", 8},       {"agosto", 8},    {"ago", 8},           {"augustus", 8},   {"sierpnia", 8},
    {"августа", 8},    {"авг", 8},       {"srpna", 8},         {"ağustos", 8},    {"september", 9},
    {"sep", 9},        {"sept", 9},      {"septembre", 9},     {"septiembre", 9}, {"settembre", 9},
    {"set", 9},        {"setembro", 9},  {"września", 9},      {"сентября", 9},   {"сен", 9},
    {"září", 9},       {"eylül", 9},     {"october", 10},      {"oct", 10},       {"oktober", 10},
    {"okt", 10},       {"octobre", 10},  {"octubre", 10},      {"ottobre", 10},   {"ott", 10},
    {"outubro", 10},   {"out", 10},      {"października", 10}, {"октября", 10},   {"окт", 10},
    {"října", 10},     {"ekim", 10},     {"november", 11},     {"nov", 11},       {"novembre", 11},
    {"noviembre", 11}, {"novembro", 11}, {"listopada", 11},    {"ноября", 11},    {"ноя", 11},
    {"listopadu", 11}, {"kasım", 11},    {"december", 12},     {"dec", 12},       {"dezember", 12},
    {"dez", 12},       {"décembre", 12}, {"déc", 12},          {"diciembre", 12}, {"dic", 12},
    {"dicembre", 12},  {"dezembro", 12}, {"grudnia", 12},      {"декабря", 12},   {"дек", 12},
    {"prosince", 12},  {"aralık", 12},
});

constexpr size_t kMonthBytesMax = 24;  // of a month's name, with room for capitals' longer forms

int month_of(std::string_view word) {
  static const auto kByName = [] {
    std::unordered_map<std::string_view, int> months;
    for (const MonthName& entry : kMonths) months.emplace(entry.name, entry.month);
    return months;
  }();
  static const Phrases kBeginnings = [] {
    std::vector<std::string_view> names;
    for (const MonthName& entry : kMonths) names.push_back(entry.name);
    return Phrases(names);
  }();
  if (word.size() > kMonthBytesMax || !kBeginnings.may_begin(word)) return -1;
  const auto found = kByName.find(lower(word));
  return found == kByName.end() ? -1 : found->second;
}

bool is_letter_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a year of four digits stands in the text, as in every form that is read: the test that
// spares most lines the rest.
bool holds_year(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const uint64_t digits = digits_within(load_eight(text, at));
    at += bytes_before(digits);
    if (digits == 0) continue;
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at - begin == 4 && (text[begin] == '1' || text[begin] == '2')) return true;
  }
  return false;
}

std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces;
  pieces.reserve(text.size() / 4 + 1);
  bool blank = true;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    const char32_t c = next_character(text, end);
    if (is_space(c)) {
      blank = true;
      at = end;
      continue;
    }
    Piece piece{Piece::kMark, {}, at, blank, -1};
    if (is_digit(text[at])) {
      while (end < text.size() && is_digit(text[end])) ++end;
      piece.kind = Piece::kNumber;
      if (end - at <= 4) {
        piece.value = 0;
        for (size_t i = at; i < end; ++i) piece.value = piece.value * 10 + (text[i] - '0');
      }
    } else if (is_wide(c) || c == 0xb7) {
      // one mark each
    } else if (is_letter_byte(text[at])) {
      while (end < text.size() && is_letter_byte(text[end])) {
        size_t next = end;
        const char32_t following = next_character(text, next);
        if (is_wide(following) || is_space(following) || following == 0xb7) break;
        end = next;
      }
      piece.kind = Piece::kWord;
    }
    piece.text = text.substr(at, end - at);
    if (piece.kind == Piece::kWord) piece.value = month_of(piece.text);
    pieces.push_back(piece);
    blank = false;
    at = end;
  }
  return pieces;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : pieces_(cut(text)) {}

  std::optional<FoundDate> find() {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      at_ = i;
      if (date() && plausible()) return finish(i);
    }
    return std::nullopt;
  }

 private:
  const Piece* peek(size_t ahead = 0) const {
    return at_ + ahead < pieces_.size() ? &pieces_[at_ + ahead] : nullptr;
  }
  bool mark(std::string_view text, size_t ahead = 0) const {
    const Piece* piece = peek(ahead);
    return piece != nullptr && piece->kind == Piece::kMark && piece->text == text;
  }
  bool number(size_t ahead, size_t digits_min, size_t digits_max) const {
    const Piece* piece = peek(ahead);
    return piece != nullptr && piece->kind == Piece::kNumber && piece->text.size() >= digits_min &&
           piece->text.size() <= digits_max;
  }
  bool month_word(size_t ahead) const {
    const Piece* piece = peek(ahead);
    return piece != nullptr && piece->kind == Piece::kWord && piece->value > 0;
  }
  bool word(std::string_view lowered, size_t ahead) const {
    const Piece* piece = peek(ahead);
    return piece != nullptr && piece->kind == Piece::kWord && lower_ascii(piece->text) == lowered;
  }
  int value(size_t ahead) const { return pieces_[at_ + ahead].value; }
  // Passes over the marks and little words that may stand between a date's parts.
  size_t skip_fill(size_t ahead) const {
    while (mark(".", ahead) || mark(",", ahead) || word("de", ahead) || word("of", ahead) ||
           word("st", ahead) || word("nd", ahead) || word("rd", ahead) || word("th", ahead) ||
           word("del", ahead))
      ++ahead;
    return ahead;
  }
  void take(int year, int month, int day, size_t ahead) {
    year_ = year, month_ = month, day_ = day;
    at_ += ahead;
  }

  bool date() {
    // 20230428T152000 and 20230428 are too easily something else; only the marked forms are read.
    if (number(0, 4, 4)) {
      for (const std::string_view dash : {"-", "/", "."}) {
        if (mark(dash, 1) && number(2, 1, 2) && mark(dash, 3) && number(4, 1, 2)) {
          take(value(0), value(2), value(4), 5);
          return true;
        }
      }
      const bool han = mark("年", 1) || mark("년", 1);
      if (han && number(2, 1, 2) && (mark("月", 3) || mark("월", 3)) && number(4, 1, 2) &&
          (mark("日", 5) || mark("일", 5))) {
        take(value(0), value(2), value(4), 6);
        return true;
      }
      return false;
    }
    if (number(0, 1, 2)) {
      const size_t month_at = skip_fill(1);
      const size_t joined = mark("-", month_at) || mark("/", month_at) ? month_at + 1 : month_at;
      if (month_word(joined)) {
        size_t year_at = skip_fill(joined + 1);
        if (mark("-", year_at) || mark("/", year_at)) ++year_at;
        if (number(year_at, 4, 4)) {
          take(value(year_at), value(joined), value(0), year_at + 1);
          return true;
        }
        return false;
      }
      for (const std::string_view dash : {".", "/", "-"}) {
        if (!mark(dash, 1) || !number(2, 1, 2) || !mark(dash, 3) || !number(4, 4, 4)) continue;
        const int first = value(0), second = value(2);
        // Dots are written day first everywhere; slashes and dashes are not.
        if (dash == "." || first > 12 || first == second)
          take(value(4), second, first, 5);
        else if (second > 12)
          take(value(4), first, second, 5);
        else
          return false;
        return true;
      }
      return false;
    }
    if (month_word(0)) {
      const size_t day_at = skip_fill(1);
      if (!number(day_at, 1, 2)) return false;
      const size_t year_at = skip_fill(day_at + 1);
      if (!number(year_at, 4, 4)) return false;
      take(value(year_at), value(0), value(day_at), year_at + 1);
      return true;
    }
    return false;
  }

  bool plausible() const {
    using namespace std::chrono;
    return year_ >= 1900 && year_ <= 2100 &&
           year_month_day{year{year_}, month{static_cast<unsigned>(month_)},
                          day{static_cast<unsigned>(day_)}}
               .ok();
  }

  // A time of day may follow: "T15:20:01.5Z", "15:20", "at 3:20 p.m. EST", "um 15.20 Uhr".
  bool time() {
    size_t ahead = 0;
    for (int fill = 0; fill < 3; ++fill)
      if (mark(",", ahead) || mark("-", ahead) || mark("|", ahead) || mark("·", ahead) ||
          mark("–", ahead) || mark("(", ahead) || mark("@", ahead) || word("at", ahead) ||
          word("t", ahead) || word("um", ahead) || word("à", ahead) || word("kl", ahead) ||
          word("alle", ahead) || word("ore", ahead) || word("om", ahead) || mark("•", ahead) ||
          word("–", ahead) || word("—", ahead) || word("•", ahead))
        ++ahead;
    if (!number(ahead, 1, 2) || !number(ahead + 2, 2, 2)) return false;
    const bool colon = mark(":", ahead + 1) || word("h", ahead + 1);
    const bool german = mark(".", ahead + 1) &&
                        (word("uhr", ahead + 3) || word("am", ahead + 3) || word("pm", ahead + 3));
    if (!colon && !german) return false;
    int hour = value(ahead);
    const int minute = value(ahead + 2);
    ahead += 3;
    if (mark(":", ahead) && number(ahead + 1, 2, 2)) {
      second_ = value(ahead + 1);
      ahead += 2;
      if (mark(".", ahead) && number(ahead + 1, 1, 9)) ahead += 2;
    }
    const bool dotted =
        (word("p", ahead) || word("a", ahead)) && mark(".", ahead + 1) && word("m", ahead + 2);
    const bool pm = word("pm", ahead) || (dotted && word("p", ahead));
    const bool am = word("am", ahead) || (dotted && word("a", ahead));
    if (pm && hour < 12) hour += 12;
    if (am && hour == 12) hour = 0;
    if (pm || am) ahead += dotted ? (mark(".", ahead + 3) ? 4 : 3) : 1;
    if (hour > 23 || minute > 59 || second_ > 60) return false;
    hour_ = hour, minute_ = minute;
    at_ += ahead;
    zone();
    return true;
  }

  void zone() {
    static constexpr std::array<std::pair<std::string_view, int>, 20> kZones = {{
        {"z", 0},      {"utc", 0},    {"gmt", 0},    {"est", -300}, {"edt", -240},
        {"cdt", -300}, {"mst", -420}, {"mdt", -360}, {"pst", -480}, {"pdt", -420},
        {"cet", 60},   {"cest", 120}, {"bst", 60},   {"msk", 180},  {"jst", 540},
        {"sgt", 480},  {"hkt", 480},  {"aest", 600}, {"aedt", 660}, {"eet", 120},
    }};
    size_t ahead = mark("(", 0) ? 1 : 0;
    for (const auto& [name, minutes] : kZones) {
      if (!word(name, ahead)) continue;
      zone_minutes_ = minutes;
      at_ += ahead + 1;
      ahead = 0;
      break;
    }
    const bool plus = mark("+", ahead), minus = mark("-", ahead) || mark("−", ahead);
    if (!plus && !minus) return;
    const int sign = plus ? 1 : -1;
    if (number(ahead + 1, 4, 4)) {
      const int packed = value(ahead + 1);
      if (packed > 1500) return;
      zone_minutes_ = sign * (packed / 100 * 60 + packed % 100);
      at_ += ahead + 2;
    } else if (number(ahead + 1, 1, 2) && value(ahead + 1) <= 15) {
      const bool minutes = mark(":", ahead + 2) && number(ahead + 3, 2, 2);
      zone_minutes_ = sign * (value(ahead + 1) * 60 + (minutes ? value(ahead + 3) : 0));
      at_ += ahead + (minutes ? 4 : 2);
    }
  }

  FoundDate finish(size_t first) {
    using namespace std::chrono;
    FoundDate found;
    found.has_time = time();
    const sys_days days = year_month_day{year{year_}, month{static_cast<unsigned>(month_)},
                                         day{static_cast<unsigned>(day_)}};
    const seconds at = days.time_since_epoch() + hours(hour_) + minutes(minute_ - zone_minutes_) +
                       seconds(second_);
    found.at_us = microseconds(at).count();
    found.begin = pieces_[first].begin;
    const Piece& last = pieces_[at_ - 1];
    found.end = last.begin + last.text.size();
    return found;
  }

  std::vector<Piece> pieces_;
  size_t at_ = 0;
  int year_ = 0, month_ = 0, day_ = 0, hour_ = 0, minute_ = 0, second_ = 0, zone_minutes_ = 0;
};

}  // namespace

std::optional<FoundDate> find_date(std::string_view text) {
  size_t size = std::min(text.size(), kBytesMax);
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text = text.substr(0, size);
  if (!holds_year(text)) return std::nullopt;
  return Reader(text).find();
}

}  // namespace wiremill::clean
