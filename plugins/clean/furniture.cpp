// Furniture words; see furniture.hpp. Long by its tables of phrases, which belong together.
#include "plugins/clean/furniture.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <string>
#include <vector>

#include "plugins/clean/phrases.hpp"

namespace wiremill::clean {
namespace {

// Phrases that begin a line of furniture. Lower case; a line counts when little follows.
constexpr std::array kOpenings = {
    // English
    "share",
    "share this",
    "tweet",
    "follow us",
    "follow me",
    "follow on",
    "sign up",
    "sign in",
    "log in",
    "subscribe",
    "read more",
    "read also",
    "read next",
    "also read",
    "see also",
    "see more",
    "more on this",
    "more from",
    "more about",
    "related:",
    "related post",

    "related stories",
    "related articles",
    "related topics",
    "related news",
    "related content",
    "related",
    "advertisement",
    "advertising",
    "sponsored",
    "promoted",
    "skip to",
    "skip ad",
    "click here",
    "tap here",
    "leave a comment",
    "post a comment",
    "add a comment",
    "view comments",
    "show comments",
    "comments",
    "tags:",
    "tagged",
    "topics:",
    "filed under",
    "posted in",
    "print this",
    "print",
    "email this",
    "copy link",
    "most read",
    "most popular",
    "most viewed",
    "recommended",
    "you may also like",
    "you might also like",
    "don't miss",
    "up next",
    "next article",
    "previous article",
    "next post",
    "previous post",
    "watch:",
    "watch more",
    "listen:",
    "live:",
    "photos:",
    "photo:",
    "image:",
    "image credit",
    "photo credit",
    "photo by",
    "picture:",
    "credit:",
    "file photo",
    "getty images",
    "copyright",
    "all rights reserved",
    "terms of",
    "privacy policy",
    "cookie",
    "we use cookies",
    "this site uses cookies",
    "this website uses cookies",
    "accept all",
    "accept cookies",
    "manage cookies",
    "newsletter",
    "get our newsletter",
    "join our newsletter",
    "back to top",
    "go to top",
    "loading",
    "menu",
    "search",
    "home",
    "contact us",
    "about us",
    "download our app",
    "get the app",
    "report an error",
    "report a typo",
    "have something to say",
    "reload",
    "font size",
    "text size",
    "save article",
    "bookmark",
    "send to a friend",
    "show more",
    "load more",
    "view gallery",
    "view all",
    "open gallery",
    "facebook",
    "twitter",
    "whatsapp",
    "linkedin",
    "pinterest",
    "reddit",
    "telegram",
    "instagram",
    "youtube",
    "continue reading",
    "story continues",
    "article continues",
    "story highlights",
    "editor:",
    "editors:",
    "source:",
    "minute read",
    "min read",
    "last updated",
    "updated:",
    "published:",
    "posted:",
    "hide caption",
    "toggle caption",
    "enlarge",
    "close",
    "play video",
    "video:",
    // German
    "teilen",
    "drucken",
    "anzeige",
    "werbung",
    "mehr zum thema",
    "lesen sie auch",
    "lesen sie mehr",
    "kommentare",
    "kommentar schreiben",
    "weiterlesen",
    "zur startseite",
    "foto:",
    "fotos:",
    "bild:",
    "quelle:",
    "schlagworte",
    "themen:",
    "artikel teilen",
    "auch interessant",
    "das könnte sie auch",
    "jetzt abonnieren",
    "impressum",
    "datenschutz",
    "mehr anzeigen",
    "meistgelesen",
    "startseite",
    "nach oben",
    "copyright:",
    "bildquelle",
    "lesezeit",
    // French
    "partager",
    "lire aussi",
    "à lire aussi",
    "lire la suite",
    "publicité",
    "abonnez-vous",
    "s'abonner",
    "commentaires",
    "imprimer",
    "voir aussi",
    "sur le même sujet",
    "crédit photo",
    "photo :",
    "accueil",
    "mentions légales",
    // Spanish, Portuguese, Italian
    "compartir",
    "leer más",
    "lee también",
    "lea también",
    "publicidad",
    "suscríbete",
    "comentarios",
    "te puede interesar",
    "más información",
    "noticias relacionadas",
    "compartilhar",
    "leia também",
    "leia mais",
    "publicidade",
    "comentários",
    "condividi",
    "leggi anche",
    "leggi tutto",
    "pubblicità",
    "commenti",
    "potrebbe interessarti",
    "fonte:",
    "iscriviti",
    // Dutch, Polish, Czech, Russian, Turkish
    "deel dit",
    "lees ook",
    "lees meer",
    "advertentie",
    "reacties",
    "udostępnij",
    "czytaj także",
    "czytaj też",
    "czytaj więcej",
    "zobacz też",
    "zobacz także",
    "reklama",
    "komentarze",
    "źródło:",
    "fot.",
    "sdílet",
    "čtěte také",
    "diskuze",
    "поделиться",
    "читайте также",
    "читать далее",
    "реклама",
    "комментарии",
    "фото:",
    "источник:",
    "подпишитесь",
    "paylaş",
    "ilgili haberler",
    // Chinese, Japanese, Korean, Arabic
    "分享",
    "相关阅读",
    "相关新闻",
    "责任编辑",
    "编辑：",
    "来源：",
    "関連記事",
    "シェア",
    "広告",
    "공유",
    "관련기사",
    "شارك",
    "اقرأ أيضا",
    "مشاركة",
};

// Of those, the ones after which nothing of the article follows.
constexpr std::array kTails = {
    "related articles",
    "related stories",
    "related news",
    "related posts",
    "related content",
    "related topics",
    "more from",
    "more stories",
    "most read",
    "most popular",
    "most viewed",
    "recommended",
    "you may also like",
    "you might also like",
    "leave a comment",
    "post a comment",
    "add a comment",
    "leave a reply",
    "comments",
    "view comments",
    "read next",
    "up next",
    "mehr zum thema",
    "auch interessant",
    "das könnte sie auch",
    "kommentare",
    "meistgelesen",
    "commentaires",
    "sur le même sujet",
    "comentarios",
    "te puede interesar",
    "noticias relacionadas",
    "comentários",
    "commenti",
    "potrebbe interessarti",
    "reacties",
    "komentarze",
    "комментарии",
    "читайте также",
    "相关阅读",
    "相关新闻",
    "関連記事",
    "관련기사",
    "about the author",
    "all rights reserved",
    "copyright",
    "trending",
    "latest news",
    "popular posts",
    "recent posts",
    "recent comments",
    "ähnliche artikel",
    "weitere artikel",
    "weitere beiträge",
    "you may like",
    "what to read next",
    "sign up for",
    "top stories",
};

constexpr uint32_t kFurnitureLength = 240, kPitchLength = 500;
constexpr size_t kPitchBytesMin = 10;    // "inbox" and "suscr", the shortest two words of a pitch
constexpr size_t kOpeningBytesMax = 80;  // of a line: three for each byte of the longest phrase

// Five bytes in a row of each phrase without which no line is a pitch, nor speaks of rights
// reserved: rare ones, so that few other lines hold them. From "ou li" on: "would you like", "do you
// want", "don't want to miss", "all rights", "published, broadcast", "vorbehalten", "droits",
// "derechos" and "your email".
constexpr std::array<std::string_view, 19> kSigns = {
    "cooki", "wslet", "inbox", "twitt", "acebo", "stagr", "elegr", "atsap", "outub", "oogle",
    "ou li", "ou wa", "o mis", "ll ri", "oadca", "orbeh", "droit", "erech", "ur em"};

// The signs are looked for by their first or last four letters, at every second place of a line: of
// two neighbouring places one is such a place. A hash leaves few places to be looked at closely.
class SignFinder {
 public:
  SignFinder() {
    for (const std::string_view sign : kSigns)
      for (const size_t at : {0, 1}) hashes_.set(hash(four_at(sign, at)));
  }

  bool holds_sign(std::string_view line) const {
    bool found = false;
    for (size_t at = 0; at + 4 <= line.size(); at += 2) found |= hashes_[hash(four_at(line, at))];
    for (size_t at = 0; found && at + 4 <= line.size(); at += 2)
      if (hashes_[hash(four_at(line, at))] && stands_at(line, at)) return true;
    return false;
  }

 private:
  static constexpr size_t kBits = 16;
  static uint32_t four_at(std::string_view text, size_t at) {
    uint32_t four = 0;
    std::memcpy(&four, text.data() + at, 4);
    return four | 0x20202020U;  // in lower case
  }
  static size_t hash(uint32_t four) { return four * 0x9e3779b1U >> (32 - kBits); }

  // Whether a sign begins at `at` or one before it.
  static bool stands_at(std::string_view line, size_t at) {
    return std::any_of(kSigns.begin(), kSigns.end(), [&](std::string_view sign) {
      const auto is_at = [&](size_t begin) {
        return begin + sign.size() <= line.size() && four_at(line, begin) == four_at(sign, 0) &&
               four_at(line, begin + 1) == four_at(sign, 1);
      };
      return is_at(at) || (at > 0 && is_at(at - 1));
    });
  }

  std::bitset<1 << kBits> hashes_;
};

bool holds_sign(std::string_view line) {
  static const SignFinder kFinder;
  return kFinder.holds_sign(line);
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

// Whether `lowered` begins with `phrase` as whole words (or the phrase is of a wide script).
bool begins_with(std::string_view lowered, std::string_view phrase) {
  if (!lowered.starts_with(phrase)) return false;
  if (lowered.size() == phrase.size()) return true;
  const bool wide = static_cast<unsigned char>(phrase[0]) >= 0xe3;
  return wide || !is_word_byte(phrase.back()) || !is_word_byte(lowered[phrase.size()]);
}

// "Home > News > World", "A | B | C", "Mon / Tue": short parts between separators.
bool is_breadcrumb(const Shape& shape) {
  return shape.symbols >= 1 && shape.stops == 0 && shape.words <= 6 * (shape.symbols + 1) &&
         shape.length <= 40 * (shape.symbols + 1);
}

bool has_separator(std::string_view line) {
  for (const std::string_view mark : {"> ", "| ", "\xc2\xbb ", "\xe2\x80\xba "})
    if (line.find(mark) != std::string_view::npos) return true;
  return line.ends_with('>');
}

// The part of is_furniture for a line in which a sign stands, or not.
bool looks_like_furniture(std::string_view line, const Shape& shape, bool has_sign) {
  if (line.empty()) return true;
  if (shape.words == 0) return true;  // rules, arrows, bullets, lone marks
  if (shape.length > kFurnitureLength) return false;
  if (line.front() == '[' && line.back() == ']' && shape.length <= 60) return true;
  if (is_breadcrumb(shape) && has_separator(line)) return true;
  if (line.starts_with("\xc2\xa9")) return true;
  if (has_sign && lower(line).find("all rights reserved") != std::string::npos) return true;
  static const Phrases kPhrases(kOpenings);
  if (!kPhrases.may_begin(line)) return false;
  const std::string lowered = lower(line.substr(0, kOpeningBytesMax));
  for (const std::string_view phrase : kPhrases.like(lowered)) {
    if (!begins_with(lowered, phrase)) continue;
    const size_t extra = shape.length - std::min<size_t>(shape.length, phrase.size());
    // "Share" or "Share this on X" is furniture, "Share prices fell on Monday." is not.
    if (extra <= 12 && !shape.ends_sentence) return true;
    if (phrase.back() == ':' && !shape.ends_sentence && shape.length <= 140) return true;
    if (phrase.size() >= 8 && !shape.ends_sentence && shape.length <= 100) return true;
    if (extra <= 3) return true;
  }
  return false;
}

bool reads_like_pitch(std::string_view line, const Shape& shape, bool has_sign) {
  if (shape.length > kPitchLength || line.size() < kPitchBytesMin) return false;
  const bool speaks_of_itself = starts_with_ignoring_case(line, "this article ") ||
                                starts_with_ignoring_case(line, "this story ");
  if (!speaks_of_itself && !has_sign) return false;
  const std::string lowered = lower(line);
  const auto any = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
      return lowered.find(word) != std::string::npos;
    });
  };
  if (any({"cookie"}))
    return any({"this website uses", "this site uses", "we use cookies", "use of cookies",
                "your consent", "your browser", "improve your experience", "diese website",
                "cookies to ensure", "nous utilisons", "ce site utilise", "utilizamos cookies",
                "utilizza", "cookie policy"});
  if (shape.length > 260) return false;
  if (any({"newsletter", "inbox"}))
    return any({"sign up", "subscribe", "signing up", "delivered", "abonnieren", "anmelden",
                "inscrivez-vous", "abonnez-vous", "suscr", "iscriviti", "get the free",
                "join our"});
  if (any({"twitter", "facebook", "instagram", "telegram", "whatsapp", "youtube", "google news"}))
    return any({"follow us", "follow me", "follow him", "follow her", "follow them", "like us on",
                "find us on", "folgen sie", "folge uns", "suivez-nous", "síguenos", "seguici",
                "siga-nos", "join us on", "join our", "subscribe to our", "подпи"});
  if (speaks_of_itself)
    if (any({"without changes", "unchanged", "not been edited", "supplied by"})) return true;
  if (any({"would you like to", "do you want to", "don't want to miss"}))
    return any(
        {"register", "sign up", "subscribe", "free of charge", "every morning", "every day"});
  return any({"all rights reserved", "may not be published, broadcast", "alle rechte vorbehalten",
              "tous droits réservés", "todos los derechos reservados",
              "your email address will not"});
}

}  // namespace

bool is_furniture(std::string_view line, const Shape& shape) {
  return looks_like_furniture(line, shape, shape.length <= kFurnitureLength && holds_sign(line));
}

bool is_pitch(std::string_view line, const Shape& shape) {
  return reads_like_pitch(line, shape, shape.length <= kPitchLength && holds_sign(line));
}

bool is_furniture_or_pitch(std::string_view line, const Shape& shape) {
  const bool has_sign = shape.length <= kPitchLength && holds_sign(line);
  return looks_like_furniture(line, shape, has_sign) || reads_like_pitch(line, shape, has_sign);
}

bool opens_tail(std::string_view line, const Shape& shape) {
  if (shape.length > 60 || shape.ends_sentence) return false;
  // "12 Comments", "(3) Kommentare"
  const bool is_bare = !line.empty() && (line[0] | 32) >= 'a' && (line[0] | 32) <= 'z';
  const size_t letter = is_bare ? 0 : line.find_first_not_of("0123456789 ()[]#+*-");
  if (letter == std::string::npos) return false;
  static const Phrases kPhrases(kTails);
  if (!kPhrases.may_begin(line.substr(letter))) return false;
  const std::string lowered = lower(line.substr(letter));
  for (const std::string_view phrase : kPhrases.like(lowered))
    if (begins_with(lowered, phrase) && lowered.size() <= phrase.size() + 24) return true;
  return false;
}

}  // namespace wiremill::clean
