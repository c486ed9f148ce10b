// The tokenizer: one pass over the characters with a bounded look ahead.
//
// The hard question is the full stop, which closes sentences, abbreviations ("Dr."), acronyms
// ("U.S."), initials ("J. K.") and stands inside numbers, names of hosts and words ("Sig.ra"). It
// is answered where the word before it is still at hand: a dot that belongs to its word is taken
// into the token and the word's kind is noted; whether a sentence ends there all the same ("He
// lives in the U.S. They do not.") is the splitter's decision. Scripts without blanks go to ICU's
// dictionary iterator in pieces of at most kDictionaryBytesMax, which keeps a text of one endless
// run linear.
#include "daemon/text/tokenizer.hpp"

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <stdexcept>

#include "daemon/text/characters.hpp"

namespace wiremill::text {
namespace {

constexpr uint32_t kDictionaryBytesMax = 1536;
constexpr uint32_t kNoteworthyWordBytesMax = 40;  // no abbreviation is longer

bool is_word(Character c) {
  return c == Character::Lower || c == Character::Upper || c == Character::Letter ||
         c == Character::Mark || c == Character::Digit;
}
bool is_letter(Character c) {
  return c == Character::Lower || c == Character::Upper || c == Character::Letter;
}
bool is_url_byte(char c) { return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '"'; }

}  // namespace

struct Tokenizer::Dictionaries {
  std::unique_ptr<icu::BreakIterator> words;
  UText* text = nullptr;

  Dictionaries() {
    UErrorCode status = U_ZERO_ERROR;
    words.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    if (U_FAILURE(status)) throw std::runtime_error("ICU has no word break rules");
  }
  ~Dictionaries() { utext_close(text); }
  Dictionaries(const Dictionaries&) = delete;
  Dictionaries& operator=(const Dictionaries&) = delete;
};

namespace {

class Pass {
 public:
  Pass(std::string_view text, const LanguageRules& rules, icu::BreakIterator& words, UText*& utext,
       std::vector<wm_token>& tokens, std::vector<TokenNote>& notes)
      : text_(text), rules_(rules), words_(words), utext_(utext), tokens_(tokens), notes_(notes) {}

  void run() {
    const auto size = static_cast<uint32_t>(text_.size());
    uint32_t at = 0;
    while (at < size) {
      const Decoded first = decode(text_, at);
      switch (first.character) {
        case Character::Space:
          blank_ = true;
          at = first.next;
          break;
        case Character::LineBreak:
          blank_ = line_ = true;
          at = first.next;
          break;
        case Character::Upper:
        case Character::Lower:
        case Character::Letter:
        case Character::Mark: at = word(at); break;
        case Character::Digit: at = number(at); break;
        case Character::Dictionary: at = dictionary_run(at); break;
        default: at = sign(at, first); break;
      }
    }
  }

 private:
  Character peek(uint32_t at) const {
    return at < text_.size() ? decode(text_, at).character : Character::LineBreak;
  }
  std::string_view slice(uint32_t begin, uint32_t end) const {
    return text_.substr(begin, end - begin);
  }

  void emit(uint32_t begin, uint32_t end, uint32_t kind, Shape shape,
            Abbreviation abbreviation = Abbreviation::None, bool initial = false) {
    tokens_.push_back({begin, end, 0, kind});
    notes_.push_back({shape, blank_, line_, initial, abbreviation});
    blank_ = line_ = false;
  }

  // The end of the run of word characters that begins at `at`.
  uint32_t run_of_word(uint32_t at) const {
    while (at < text_.size()) {
      const Decoded c = decode(text_, at);
      if (!is_word(c.character)) break;
      at = c.next;
    }
    return at;
  }

  Shape shape_of_word(uint32_t begin, uint32_t end) const {
    Shape shape = Shape::CaselessWord;
    for (uint32_t at = begin; at < end && at < begin + kNoteworthyWordBytesMax;) {
      const Decoded c = decode(text_, at);
      if (c.character == Character::Upper) return Shape::UpperWord;  // "iPhone" counts as one
      if (c.character == Character::Lower) shape = Shape::LowerWord;
      at = c.next;
    }
    return shape;
  }

  void emit_word(uint32_t begin, uint32_t end) {
    if (begin < end) emit(begin, end, WM_TOKEN_WORD, shape_of_word(begin, end));
  }

  // A word with all that belongs to it; answers where it ends.
  uint32_t word(uint32_t begin) {
    uint32_t end = run_of_word(begin);
    if (end == begin) end = decode(text_, begin).next;
    while (end < text_.size()) {
      const Decoded sign = decode(text_, end);
      if (sign.character == Character::Apostrophe) {
        const uint32_t tail_end = run_of_word(sign.next);
        if (tail_end == sign.next || !is_letter(peek(sign.next))) break;
        if (const uint32_t split = clitic(begin, end, sign.next, tail_end); split != 0)
          return split;
        end = tail_end;
      } else if (sign.character == Character::Dot) {
        const uint32_t after = dotted(begin, end, sign.next);
        if (after == 0) break;
        if (after == end) return end;
        end = after;
      } else if (text_[end] == '@' || is_scheme(begin, end)) {
        if (const uint32_t after = address(begin, end); after != 0) return after;
        break;
      } else if (text_[end] == '&' && peek(end + 1) == Character::Upper &&
                 shape_of_word(begin, end) == Shape::UpperWord) {
        end = run_of_word(end + 1);
      } else {
        break;
      }
    }
    emit_word(begin, end);
    return end;
  }

  // Splits at the apostrophe that stands in [end, tail) where what follows, [tail, tail_end), or
  // what precedes it is a clitic. Answers where to go on, or 0 where the apostrophe is the word's
  // own.
  uint32_t clitic(uint32_t begin, uint32_t end, uint32_t tail, uint32_t tail_end) {
    if (rules_.clitics == Clitics::None) return 0;
    const std::string_view after = slice(tail, tail_end);
    if (rules_.clitics == Clitics::Elision && rules_.is_elision(slice(begin, end))) {
      emit_word(begin, tail);
      return tail;
    }
    if (peek(tail_end) == Character::Apostrophe && is_letter(peek(decode(text_, tail_end).next)))
      return 0;  // "rock'n'roll"
    const bool possessive = after == "s" || after == "S";
    const bool contracted = rules_.clitics == Clitics::English &&
                            (after == "ll" || after == "re" || after == "ve" || after == "d" ||
                             after == "m" || after == "LL" || after == "RE" || after == "VE");
    if (possessive || contracted) {
      emit_word(begin, end);
      emit(end, tail_end, WM_TOKEN_WORD, Shape::LowerWord);
      return tail_end;
    }
    if (rules_.clitics == Clitics::English && (after == "t" || after == "T") && end - begin >= 2 &&
        (text_[end - 1] == 'n' || text_[end - 1] == 'N')) {
      emit_word(begin, end - 1);
      emit(end - 1, tail_end, WM_TOKEN_WORD, Shape::LowerWord);
      return tail_end;
    }
    return 0;
  }

  // The word [begin, dot) is followed by a dot that ends at `after`. Answers 0 where the dot is not
  // the word's; `dot` itself where a token was made of [begin, after) and the scan goes on behind
  // it, told through dot; else the new end of the word, which the scan is to go on from.
  uint32_t dotted(uint32_t begin, uint32_t& dot, uint32_t after) {
    const Character next = peek(after);
    if (next == Character::Dot && peek(decode(text_, after).next) == Character::Dot) return 0;
    if (is_letter(next) && dot - begin <= kNoteworthyWordBytesMax) {
      const uint32_t segment_end = run_of_word(after);
      const bool single = decode(text_, after).next == segment_end;
      const bool dot_follows = peek(segment_end) == Character::Dot;
      const uint32_t last = last_segment(begin, dot);
      const bool last_single = decode(text_, last).next == dot;
      if (next == Character::Lower || (single && (last_single || dot_follows)) ||
          (dot_follows && last_single && segment_end - after <= 6))
        return segment_end;
    }
    const std::string_view word = slice(begin, dot);
    const uint32_t last = last_segment(begin, dot);
    Abbreviation kind = rules_.abbreviation(word);
    bool initial = false;
    if (kind == Abbreviation::Numeric && !digit_follows(after)) kind = Abbreviation::None;
    if (kind == Abbreviation::None && decode(text_, begin).next == dot &&
        decode(text_, begin).character == Character::Upper && !is_pronoun(begin, dot) &&
        !is_unit()) {
      kind = Abbreviation::Title;
      initial = true;
    }
    if (kind == Abbreviation::None && last != begin && is_acronym(begin, dot))
      kind = Abbreviation::Common;
    if (kind == Abbreviation::None) return 0;
    emit(begin, after, WM_TOKEN_WORD, shape_of_word(begin, after), kind, initial);
    dot = after;
    return after;
  }

  // Where the part behind the last dot inside the word begins.
  uint32_t last_segment(uint32_t begin, uint32_t end) const {
    const size_t dot = slice(begin, end).rfind('.');
    return dot == std::string_view::npos ? begin : begin + static_cast<uint32_t>(dot) + 1;
  }

  // Dots between short parts: "U.S", "a.m", "Ph.D", "куб.м".
  bool is_acronym(uint32_t begin, uint32_t end) const {
    if (end - begin > kNoteworthyWordBytesMax) return false;
    uint32_t letters = 0;
    for (uint32_t at = begin; at < end;) {
      const Decoded c = decode(text_, at);
      letters = c.character == Character::Dot ? 0 : letters + 1;
      if (letters > 3) return false;
      at = c.next;
    }
    return true;
  }

  // English "I": an initial only between capitalised words.
  bool is_pronoun(uint32_t begin, uint32_t end) const {
    if (rules_.clitics != Clitics::English || slice(begin, end) != "I") return false;
    return notes_.empty() || line_ || notes_.back().shape != Shape::UpperWord;
  }

  // "33.8°F": glued to a sign, no initial.
  bool is_unit() const {
    return !blank_ && !tokens_.empty() && tokens_.back().kind == WM_TOKEN_SYMBOL;
  }

  bool digit_follows(uint32_t at) const {
    while (at < text_.size()) {
      const Decoded c = decode(text_, at);
      if (c.character != Character::Space) return c.character == Character::Digit;
      at = c.next;
    }
    return false;
  }

  bool is_scheme(uint32_t begin, uint32_t end) const {
    return text_[end] == ':' && end - begin <= 10 && text_.substr(end, 3) == "://";
  }

  // A URL or e-mail address whose first word is [begin, end): one symbol to the next blank, without
  // the punctuation that closes it. 0 where it is none.
  uint32_t address(uint32_t begin, uint32_t end) {
    uint32_t after = end + 1;
    while (after < text_.size() && is_url_byte(text_[after])) ++after;
    while (after > end + 1 &&
           std::string_view(".,;:!?)]}'*").find(text_[after - 1]) != std::string_view::npos)
      --after;
    if (after <= end + 3) return 0;
    emit(begin, after, WM_TOKEN_SYMBOL, Shape::CaselessWord);
    return after;
  }

  uint32_t number(uint32_t begin) {
    uint32_t end = begin;
    bool letters = false;
    while (end < text_.size()) {
      const Decoded c = decode(text_, end);
      if (is_word(c.character)) {
        letters |= is_letter(c.character);
        end = c.next;
        continue;
      }
      const bool separator =
          !letters && (c.character == Character::Dot || text_[end] == ',' || text_[end] == ':' ||
                       c.character == Character::Apostrophe);
      if (!separator || peek(c.next) != Character::Digit) break;
      end = c.next;
    }
    if (letters && end < text_.size() && text_[end] == '@')
      if (const uint32_t after = address(begin, end); after != 0) return after;
    if (letters) {
      emit(begin, end, WM_TOKEN_WORD, Shape::Number);
    } else {
      emit(begin, end, WM_TOKEN_NUMBER, Shape::Number);
    }
    return end;
  }

  uint32_t dictionary_run(uint32_t begin) {
    uint32_t end = begin;
    while (end < text_.size() && end - begin < kDictionaryBytesMax) {
      const Decoded c = decode(text_, end);
      if (c.character != Character::Dictionary && c.character != Character::Mark) break;
      end = c.next;
    }
    UErrorCode status = U_ZERO_ERROR;
    utext_ = utext_openUTF8(utext_, text_.data() + begin, end - begin, &status);
    words_.setText(utext_, status);
    if (U_FAILURE(status)) {
      emit(begin, end, WM_TOKEN_WORD, Shape::CaselessWord);
      return end;
    }
    uint32_t from = begin;
    for (int32_t to = words_.next(); to != icu::BreakIterator::DONE; to = words_.next()) {
      const uint32_t piece_end = begin + static_cast<uint32_t>(to);
      if (piece_end > from) emit(from, piece_end, WM_TOKEN_WORD, Shape::CaselessWord);
      from = piece_end;
    }
    return end;
  }

  // Punctuation and symbols: runs of one sign are one token.
  uint32_t sign(uint32_t begin, const Decoded& first) {
    uint32_t end = first.next;
    if (first.character == Character::Apostrophe && !blank_ && peek(end) == Character::Lower &&
        text_[end] == 's' && rules_.clitics != Clitics::None && run_of_word(end) == end + 1) {
      emit(begin, end + 1, WM_TOKEN_WORD, Shape::LowerWord);  // "Jr." "'s"
      return end + 1;
    }
    const bool groups = first.character == Character::Dot || first.character == Character::Dash ||
                        first.character == Character::Punctuation ||
                        first.character == Character::Ellipsis ||
                        first.character == Character::Symbol;
    const std::string_view unit = slice(begin, end);
    if (groups)
      while (text_.substr(end, unit.size()) == unit && first.character != Character::Symbol)
        end += static_cast<uint32_t>(unit.size());
    while (first.character == Character::Symbol && end < text_.size()) {  // emoji sequences
      const Decoded c = decode(text_, end);
      if (c.character != Character::Mark || text_[end] == '_') break;
      end = c.next;
    }
    uint32_t kind = WM_TOKEN_PUNCTUATION;
    Shape shape = Shape::Other;
    switch (first.character) {
      case Character::Dot:
      case Character::Ellipsis: shape = Shape::Dot; break;
      case Character::Bang: shape = Shape::Bang; break;
      case Character::FullStop: shape = Shape::FullStop; break;
      case Character::Comma:
        shape = text_[begin] == rules_.ascii_full_stop ? Shape::Bang : Shape::Comma;
        break;
      case Character::Apostrophe:
      case Character::Quote: shape = Shape::Quote; break;
      case Character::Open: shape = Shape::Open; break;
      case Character::Close: shape = Shape::Close; break;
      case Character::Dash: shape = Shape::Dash; break;
      case Character::Bullet: shape = Shape::Bullet; break;
      case Character::Symbol: kind = WM_TOKEN_SYMBOL; break;
      default: break;
    }
    emit(begin, end, kind, shape);
    return end;
  }

  const std::string_view text_;
  const LanguageRules& rules_;
  icu::BreakIterator& words_;
  UText*& utext_;
  std::vector<wm_token>& tokens_;
  std::vector<TokenNote>& notes_;
  bool blank_ = true;
  bool line_ = true;
};

}  // namespace

Tokenizer::Tokenizer() : dictionaries_(std::make_unique<Dictionaries>()) {}
Tokenizer::~Tokenizer() = default;

void Tokenizer::tokenize(std::string_view text, const LanguageRules& rules,
                         std::vector<wm_token>& tokens, std::vector<TokenNote>& notes) {
  tokens.clear();
  notes.clear();
  Pass(text, rules, *dictionaries_->words, dictionaries_->text, tokens, notes).run();
}

}  // namespace wiremill::text
