// The sentence splitter: at each token that may close a sentence it looks at what closes with it
// (further stops, quotation marks, brackets) and at the one word that follows, and decides.
//
//   He left at 5 p.m. Mr. Smith stayed.   "p.m." may close, "Mr." never does; "Smith" begins none
//   "Is it?" she asked.                   a small letter follows: goes on
//   We sell to Acme Inc. They pay.        "They" often begins sentences: closes
//   am 12. Juni                           German capitals after an ordinal: goes on
//
// Rules over single tokens, not a trained model: they can be read, they hold for a hundred
// languages (what is known of a character comes from Unicode, what is known of a language stands in
// language_rules.cpp), and they cost less than the tokens do. A line break always ends a sentence.
#include "daemon/text/sentence_splitter.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace wiremill::text {
namespace {

constexpr uint32_t kOrdinalDigitsMax = 2;
constexpr uint32_t kListDigitsMax = 3;

bool is_word(Shape shape) {
  return shape == Shape::UpperWord || shape == Shape::LowerWord || shape == Shape::CaselessWord;
}

// The marker that a line began with, "1.", "2)", "a.", "3.)", with or without a bullet before it:
// the next of its kind in the same line begins the next item.
struct ListMarker {
  bool bullet = false;
  std::string_view bullet_sign;
  std::optional<uint32_t> ordinal;  // a number, or the letter's code
  bool letter = false;
  std::string_view delimiter;  // ".", ")", ".)"
};

class Splitter {
 public:
  Splitter(std::string_view text, const LanguageRules& rules, const std::vector<TokenNote>& notes,
           std::vector<wm_token>& tokens, std::vector<wm_span>& sentences)
      : text_(text), rules_(rules), notes_(notes), tokens_(tokens), sentences_(sentences) {}

  void run() {
    size_t at = 0;
    while (at < tokens_.size()) {
      if (notes_[at].line_before) start_line(at);
      if (at > start_ && item_begins(at)) {
        close(at);
        at = behind_marker(at);
        continue;
      }
      if (at == start_) {
        const size_t behind = behind_marker(at);
        if (behind > at) {
          at = behind;
          continue;
        }
      }
      track_title_brackets(at);
      if (!may_close(at)) {
        ++at;
        continue;
      }
      if (const size_t behind = is_plain_stop(at) ? behind_ellipsis(at + 1) : 0; behind > 0) {
        close(at + 1);
        at = behind;
        continue;
      }
      const size_t next = behind_closing(at);
      if (next < tokens_.size() && !notes_[next].line_before && closes(at, next)) close(next);
      at = next;
    }
    close(tokens_.size());
  }

 private:
  std::string_view word(size_t at) const {
    return text_.substr(tokens_[at].begin, tokens_[at].end - tokens_[at].begin);
  }

  // Ends the current sentence before token `end`.
  void close(size_t end) {
    if (end == start_) return;
    const auto index = static_cast<uint32_t>(sentences_.size());
    for (size_t i = start_; i < end; ++i) tokens_[i].sentence = index;
    sentences_.push_back({tokens_[start_].begin, tokens_[end - 1].end});
    start_ = end;
  }

  void start_line(size_t at) {
    close(at);
    title_depth_ = 0;
    list_ = read_marker(at).first;
  }

  // A list marker that begins at `at`, and the token behind it (`at` itself where there is none).
  std::pair<ListMarker, size_t> read_marker(size_t at) const {
    ListMarker marker;
    size_t i = at;
    if (i < tokens_.size() && notes_[i].shape == Shape::Bullet) {
      marker.bullet = true;
      marker.bullet_sign = word(i++);
    }
    const size_t behind_bullet = i;
    if (i + 1 >= tokens_.size() || (i > at && notes_[i].line_before)) return {marker, i};
    const std::string_view value = word(i);
    if (tokens_[i].kind == WM_TOKEN_NUMBER && value.size() <= kListDigitsMax) {
      uint32_t number = 0;
      if (std::from_chars(value.data(), value.data() + value.size(), number).ptr ==
          value.data() + value.size())
        marker.ordinal = number;
    } else if (value.size() == 1 && value[0] >= 'a' && value[0] <= 'z') {
      marker.ordinal = static_cast<uint32_t>(value[0]);
      marker.letter = true;
    }
    if (!marker.ordinal) return {marker, behind_bullet};
    const size_t delimiter = ++i;
    while (i < tokens_.size() && i < delimiter + 2 && !notes_[i].blank_before &&
           (word(i) == "." || word(i) == ")"))
      ++i;
    const bool text_follows =
        i < tokens_.size() && notes_[i].blank_before && !notes_[i].line_before;
    if (i == delimiter || !text_follows) {
      marker.ordinal.reset();
      return {marker, behind_bullet};
    }
    marker.delimiter =
        text_.substr(tokens_[delimiter].begin, tokens_[i - 1].end - tokens_[delimiter].begin);
    return {marker, i};
  }

  size_t behind_marker(size_t at) const { return read_marker(at).second; }

  // Whether the next item of the line's list begins at `at`.
  bool item_begins(size_t at) {
    if (!notes_[at].blank_before || (!list_.bullet && !list_.ordinal)) return false;
    if (list_.bullet) return notes_[at].shape == Shape::Bullet && word(at) == list_.bullet_sign;
    if (tokens_[at].end - tokens_[at].begin > kListDigitsMax) return false;
    const auto [marker, behind] = read_marker(at);
    if (!marker.ordinal || marker.bullet || marker.letter != list_.letter ||
        *marker.ordinal != *list_.ordinal + 1 || marker.delimiter != list_.delimiter)
      return false;
    list_.ordinal = marker.ordinal;
    return true;
  }

  // Titles of works in Chinese may hold a full stop: 《摔跤吧！爸爸》.
  void track_title_brackets(size_t at) {
    if (notes_[at].shape != Shape::Open && notes_[at].shape != Shape::Close) return;
    const std::string_view sign = word(at);
    if (sign == "《") ++title_depth_;
    if (sign == "》" && title_depth_ > 0) --title_depth_;
  }

  bool may_close(size_t at) const {
    switch (notes_[at].shape) {
      case Shape::Dot: {
        const bool bracketed = at > 0 && word(at - 1) == "[";  // "[...]"
        return !bracketed;
      }
      case Shape::Bang: return true;
      case Shape::FullStop: return title_depth_ == 0;
      default:
        return notes_[at].abbreviation == Abbreviation::Common ||
               (notes_[at].initial && !notes_[at].line_before);
    }
  }

  // "It was over. . . . The practice", "It is gone. ...and so": a full stop glued to its word, and
  // apart from it a whole ellipsis, which begins the next sentence. "Well. . . I" has three dots.
  bool is_plain_stop(size_t at) const {
    return notes_[at].shape == Shape::Dot && !notes_[at].blank_before && at > start_ &&
           word(at) == ".";
  }

  // The word behind the ellipsis that stands apart at `at`; 0 where there is none.
  size_t behind_ellipsis(size_t at) const {
    if (at >= tokens_.size() || !notes_[at].blank_before) return 0;
    size_t dots = 0;
    for (; at < tokens_.size() && notes_[at].shape == Shape::Dot && !notes_[at].line_before; ++at)
      dots += word(at)[0] == '.' ? word(at).size() : 3;
    return dots >= 3 && at < tokens_.size() && !notes_[at].line_before && is_word(notes_[at].shape)
               ? at
               : 0;
  }

  bool is_final_guillemet(size_t at) const {
    return rules_.guillemets_point_outwards && word(at) == "»";
  }

  // The first token behind the stops, closing quotation marks and brackets that follow `at`.
  size_t behind_closing(size_t at) const {
    size_t next = at + 1;
    for (; next < tokens_.size() && !notes_[next].line_before; ++next) {
      const Shape shape = notes_[next].shape;
      const bool stop = shape == Shape::Dot || shape == Shape::Bang || shape == Shape::FullStop;
      const bool closing = shape == Shape::Close || shape == Shape::Quote;
      if (notes_[next].blank_before) {
        const bool spaced_dots = shape == Shape::Dot && notes_[next - 1].shape == Shape::Dot;
        const bool spaced_bang = shape == Shape::Bang && rules_.guillemets_point_outwards;
        if (!spaced_dots && !spaced_bang && !is_final_guillemet(next)) break;
      } else if (!stop && !closing) {
        break;
      }
    }
    return next;
  }

  // Whether the sentence that `at` may close ends before `next`.
  bool closes(size_t at, size_t next) const {
    const size_t content = behind_opening(next);
    if (content == tokens_.size()) return notes_[next].blank_before;
    const Shape shape = notes_[content].shape;
    if (notes_[at].shape == Shape::FullStop) return closes_without_blank(at, next);
    if (!notes_[next].blank_before) return glued(at, next);
    const bool question_opens = word(content - (content > next ? 1 : 0)) == "¿" ||
                                word(content - (content > next ? 1 : 0)) == "¡";
    if (shape == Shape::LowerWord) return question_opens;
    if (shape == Shape::Comma || shape == Shape::Dash || shape == Shape::Close) return false;
    if (shape == Shape::Dot || shape == Shape::Bang || shape == Shape::Quote) return false;
    if (word(content) == "/") return false;
    // "Inc..": a stop of its own behind the abbreviation's dot closes.
    if (notes_[at].abbreviation != Abbreviation::None && !stop_between(at, next))
      return abbreviation_closes(at, content);
    if (notes_[at].shape == Shape::Dot && next == at + 1) return dot_closes(at, content);
    return true;
  }

  bool stop_between(size_t at, size_t next) const {
    return std::any_of(notes_.begin() + static_cast<ptrdiff_t>(at) + 1,
                       notes_.begin() + static_cast<ptrdiff_t>(next), [](const TokenNote& note) {
                         return note.shape == Shape::Dot || note.shape == Shape::Bang ||
                                note.shape == Shape::FullStop;
                       });
  }

  // The first token behind opening marks, at most a few of them.
  size_t behind_opening(size_t next) const {
    size_t content = next;
    for (int marks = 0; marks < 4 && content < tokens_.size(); ++marks, ++content) {
      const Shape shape = notes_[content].shape;
      const bool inverted = word(content) == "¿" || word(content) == "¡";
      if (shape != Shape::Open && shape != Shape::Quote && shape != Shape::Bullet && !inverted)
        break;
    }
    return content;
  }

  // 。！？ need no blank. A quotation that Japanese goes on from with と or a small clause stays.
  bool closes_without_blank(size_t at, size_t next) const {
    const Shape shape = notes_[next].shape;
    if (shape == Shape::Comma || shape == Shape::Dash) return false;
    if (shape == Shape::LowerWord && notes_[next].blank_before) return word(at) != "؟";
    const bool quoted = next > at + 1 && notes_[next - 1].shape == Shape::Close;
    if (quoted && (word(next).starts_with("と") || word(next).starts_with("って"))) return false;
    return true;
  }

  // "the end.Next": a blank was lost. "Yahoo!s" and "1.gelato" go on.
  bool glued(size_t at, size_t next) const {
    if (at == 0 || notes_[next].shape != Shape::UpperWord) return false;
    if (notes_[at].abbreviation != Abbreviation::None ||
        notes_[at - 1].abbreviation != Abbreviation::None)
      return false;
    return notes_[at].shape == Shape::Dot && notes_[at - 1].shape == Shape::LowerWord &&
           tokens_[next].end - tokens_[next].begin >= 2 && word(at) == ".";
  }

  bool abbreviation_closes(size_t at, size_t content) const {
    if (!is_word(notes_[content].shape)) return false;
    if (notes_[content].shape == Shape::CaselessWord)
      return notes_[at].abbreviation == Abbreviation::Common;
    const bool starter = rules_.begins_sentences(word(content));
    if (notes_[at].initial) {  // "vitamin C. The …", but "Samuel L. He …" stays
      return starter && at > start_ && notes_[at - 1].shape == Shape::LowerWord &&
             word(content).size() > 1;
    }
    return starter;
  }

  // A plain full stop before a word, number or sign that may begin a sentence.
  bool dot_closes(size_t at, size_t content) const {
    if (at == start_) return true;
    const size_t before = at - 1;
    const bool number_before = tokens_[before].kind == WM_TOKEN_NUMBER;
    if (notes_[content].shape == Shape::Number && !is_word(notes_[before].shape) &&
        !number_before && notes_[before].shape == Shape::Other &&
        tokens_[before].kind == WM_TOKEN_SYMBOL)
      return word(before) != "°";  // "N°. 1026"
    if (number_before && rules_.capitals_after_ordinals && before > start_ &&
        tokens_[before].end - tokens_[before].begin <= kOrdinalDigitsMax &&
        notes_[content].shape == Shape::UpperWord)
      return rules_.begins_sentences(word(content));
    return true;
  }

  const std::string_view text_;
  const LanguageRules& rules_;
  const std::vector<TokenNote>& notes_;
  std::vector<wm_token>& tokens_;
  std::vector<wm_span>& sentences_;
  size_t start_ = 0;  // first token of the current sentence
  size_t title_depth_ = 0;
  ListMarker list_;
};

}  // namespace

void split_sentences(std::string_view text, const LanguageRules& rules,
                     const std::vector<TokenNote>& notes, std::vector<wm_token>& tokens,
                     std::vector<wm_span>& sentences) {
  sentences.clear();
  Splitter(text, rules, notes, tokens, sentences).run();
}

}  // namespace wiremill::text
