// What class and id names say of an element; see furniture.hpp. Runs over every element of a page: a
// name's words are hashed while they are read, and looked up in one table by their hashes.
#include <array>
#include <bit>
#include <cstddef>
#include <string_view>

#include "plugins/clean/furniture.hpp"

namespace wiremill::clean {
namespace {

constexpr std::string_view kFurnitureNames =
    "share sharing shares sharebar sharebox sharetools socialshare social socials addthis "
    "sharethis sharedaddy addtoany shariff follow followus related relatedposts relatedarticles "
    "recommended recommendation recommendations recommend recirc recirculation readmore readnext "
    "mostread mostpopular popular trending outbrain taboola zergnet plista revcontent alsolike "
    "morefrom morestories morenews seealso teasers upnext newsletter newsletters subscribe "
    "subscription signup optin mailchimp mailpoet cookie cookies cookiebar gdpr consent promo "
    "promos promotion promobox sponsor sponsors sponsored ad ads advert adverts advertisement "
    "advertising adsense adsbygoogle adslot adbox adcontainer anzeige werbung dfp breadcrumb "
    "breadcrumbs nav navi navigation navbar menu submenu topnav subnav footer pagefooter "
    "sitefooter colophon sidebar sidebars rail rightrail masthead pagination pager tags taglist "
    "tagcloud keywords caption figcaption credit credits photocredit imagecaption wpcaption "
    "copyright byline bylines authorbox authorbio authorinfo aboutauthor bio entrymeta postmeta "
    "articlemeta metadata postinfo articleinfo postdate dateline timestamp toolbar tools "
    "articletools print login register modal popup overlay lightbox dialog rating ratings vote "
    "poll quiz jump skip skiplink srtext visuallyhidden screenreader sronly gallery slideshow "
    "carousel slider infobox navbox editsection toc reflist catlinks mwjumplink banner topbar "
    "hidden noprint disclaimer donate donation tooltip dropdown searchform searchbox languages "
    "postnav postnavigation entryfooter postfooter articlefooter callout cta inlinerelated "
    "leaderboard ticker weather player videoplayer authors author vcard kommentar kommentare "
    "teilen empfehlungen autor";

constexpr std::string_view kCommentNames =
    "comment comments commentlist commentarea commentsection disqus respond reply replies "
    "livefyre commento fbcomments discussion leserkommentare usercomments";

constexpr std::string_view kContentNames =
    "articlebody articlecontent articletext entrycontent postcontent postbody storybody "
    "storycontent storytext contentbody maincontent bodycontent articlecopy bodycopy postentry "
    "bodytext newstext newsbody newscontent textbody blogcontent hentry fulltext pagecontent "
    "singlecontent contentarticle rtejustify";

constexpr std::string_view kLeadNames =
    "lead leadtext leadparagraph intro introtext introduction teasertext teaser preface vorspann "
    "anreisser anrisstext chapo chapeau abstract excerpt summary entradilla bajada ingress "
    "zajawka perex lede sommario";

// FNV-1a, which goes on from one word to the next, as a pair of words is sought too.
constexpr uint64_t kNoLetters = 0xcbf29ce484222325U;
constexpr uint64_t with_letter(uint64_t hash, char letter) {
  return (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
}

// The words by their hashes; two of different kinds share none, and a word of a page that shares one
// by chance, one in 10^16, is taken for it.
class Names {
 public:
  Names() {
    add(kCommentNames, Hint::kComments);
    add(kFurnitureNames, Hint::kFurniture);
    add(kLeadNames, Hint::kLead);
    add(kContentNames, Hint::kContent);
  }

  Hint find(uint64_t hash) const {
    size_t slot = slot_of(hash);
    while (hashes_[slot] != hash && kinds_[slot] != Hint::kNone) slot = (slot + 1) % kSlots;
    return kinds_[slot];
  }

 private:
  static constexpr size_t kSlots = 1024;  // four for each word

  static size_t slot_of(uint64_t hash) { return (hash ^ hash >> 32) % kSlots; }

  void add(std::string_view words, Hint kind) {
    uint64_t hash = kNoLetters;
    for (size_t at = 0; at <= words.size(); ++at) {
      if (at < words.size() && words[at] != ' ') {
        hash = with_letter(hash, words[at]);
        continue;
      }
      size_t slot = slot_of(hash);
      while (kinds_[slot] != Hint::kNone) slot = (slot + 1) % kSlots;
      hashes_[slot] = hash;
      kinds_[slot] = kind;
      hash = kNoLetters;
    }
  }

  std::array<uint64_t, kSlots> hashes_{};
  std::array<Hint, kSlots> kinds_{};
};

}  // namespace

Hint hint_of(std::string_view class_names, std::string_view id) {
  static const Names kNames;
  Hint hint = Hint::kNone;
  for (const std::string_view names : {class_names.substr(0, 512), id.substr(0, 128)}) {
    // The word that is read, the word before it with this one behind it, and whether either is none.
    uint64_t word = kNoLetters, pair = kNoLetters;
    bool has_word = false, has_previous = false;
    const auto finish = [&](bool name_ends) {
      if (has_word) {
        const Hint one = kNames.find(word);
        const Hint two = has_previous ? kNames.find(pair) : Hint::kNone;
        const auto says = [&](Hint kind) { return one == kind || two == kind; };
        if (says(Hint::kComments)) {
          hint = Hint::kComments;
        } else if (says(Hint::kFurniture)) {
          if (hint != Hint::kComments) hint = Hint::kFurniture;
        } else if (hint == Hint::kNone && says(Hint::kLead)) {
          hint = Hint::kLead;
        } else if ((hint == Hint::kNone || hint == Hint::kLead) && says(Hint::kContent)) {
          hint = Hint::kContent;
        }
      }
      has_previous = has_word && !name_ends;
      pair = has_previous ? word : kNoLetters;
      word = kNoLetters;
      has_word = false;
    };
    char before = ' ';
    for (const char c : names) {
      const bool upper = c >= 'A' && c <= 'Z';
      const char folded = upper ? static_cast<char>(c + 32) : c;
      if (folded < 'a' || folded > 'z') {
        finish(c == ' ');
      } else {
        if (upper && before >= 'a' && before <= 'z') finish(false);
        word = with_letter(word, folded);
        pair = with_letter(pair, folded);
        has_word = true;
      }
      before = c;
    }
    finish(true);
  }
  return hint;
}

}  // namespace wiremill::clean
