// What class and id names say of an element; see furniture.hpp. Runs over every element of a page,
// hence the hash sets.
#include <string>
#include <unordered_set>

#include "plugins/clean/furniture.hpp"

namespace wiremill::clean {
namespace {

using Words = std::unordered_set<std::string_view>;

const Words& furniture_names() {
  static const Words kWords = {
      "share",
      "sharing",
      "shares",
      "sharebar",
      "sharebox",
      "sharetools",
      "socialshare",
      "social",
      "socials",
      "addthis",
      "sharethis",
      "sharedaddy",
      "addtoany",
      "shariff",
      "follow",
      "followus",
      "related",
      "relatedposts",
      "relatedarticles",
      "recommended",
      "recommendation",
      "recommendations",
      "recommend",
      "recirc",
      "recirculation",
      "readmore",
      "readnext",
      "mostread",
      "mostpopular",
      "popular",
      "trending",
      "outbrain",
      "taboola",
      "zergnet",
      "plista",
      "revcontent",
      "alsolike",
      "morefrom",
      "morestories",
      "morenews",
      "seealso",
      "teasers",
      "upnext",
      "newsletter",
      "newsletters",
      "subscribe",
      "subscription",
      "signup",
      "optin",
      "mailchimp",
      "mailpoet",
      "cookie",
      "cookies",
      "cookiebar",
      "gdpr",
      "consent",
      "promo",
      "promos",
      "promotion",
      "promobox",
      "sponsor",
      "sponsors",
      "sponsored",
      "ad",
      "ads",
      "advert",
      "adverts",
      "advertisement",
      "advertising",
      "adsense",
      "adsbygoogle",
      "adslot",
      "adbox",
      "adcontainer",
      "anzeige",
      "werbung",
      "dfp",
      "breadcrumb",
      "breadcrumbs",
      "nav",
      "navi",
      "navigation",
      "navbar",
      "menu",
      "submenu",
      "topnav",
      "subnav",
      "footer",
      "pagefooter",
      "sitefooter",
      "colophon",
      "sidebar",
      "sidebars",
      "rail",
      "rightrail",
      "masthead",
      "pagination",
      "pager",
      "tags",
      "taglist",
      "tagcloud",
      "keywords",
      "caption",
      "figcaption",
      "credit",
      "credits",
      "photocredit",
      "imagecaption",
      "wpcaption",
      "copyright",
      "byline",
      "bylines",
      "authorbox",
      "authorbio",
      "authorinfo",
      "aboutauthor",
      "bio",
      "entrymeta",
      "postmeta",
      "articlemeta",
      "metadata",
      "postinfo",
      "articleinfo",
      "postdate",
      "dateline",
      "timestamp",
      "toolbar",
      "tools",
      "articletools",
      "print",
      "login",
      "register",
      "modal",
      "popup",
      "overlay",
      "lightbox",
      "dialog",
      "rating",
      "ratings",
      "vote",
      "poll",
      "quiz",
      "jump",
      "skip",
      "skiplink",
      "srtext",
      "visuallyhidden",
      "screenreader",
      "sronly",
      "gallery",
      "slideshow",
      "carousel",
      "slider",
      "infobox",
      "navbox",
      "editsection",
      "toc",
      "reflist",
      "catlinks",
      "mwjumplink",
      "banner",
      "topbar",
      "hidden",
      "noprint",
      "disclaimer",
      "donate",
      "donation",
      "tooltip",
      "dropdown",
      "searchform",
      "searchbox",
      "languages",
      "postnav",
      "postnavigation",
      "entryfooter",
      "postfooter",
      "articlefooter",
      "callout",
      "cta",
      "inlinerelated",
      "leaderboard",
      "ticker",
      "weather",
      "player",
      "videoplayer",
      "authors",
      "author",
      "vcard",
      "kommentar",
      "kommentare",
      "teilen",
      "empfehlungen",
      "autor",
  };
  return kWords;
}

const Words& comment_names() {
  static const Words kWords = {"comment",        "comments",        "commentlist", "commentarea",
                               "commentsection", "disqus",          "respond",     "reply",
                               "replies",        "livefyre",        "commento",    "fbcomments",
                               "discussion",     "leserkommentare", "usercomments"};
  return kWords;
}

const Words& content_names() {
  static const Words kWords = {"articlebody",   "articlecontent", "articletext", "entrycontent",
                               "postcontent",   "postbody",       "storybody",   "storycontent",
                               "storytext",     "contentbody",    "maincontent", "bodycontent",
                               "articlecopy",   "bodycopy",       "postentry",   "bodytext",
                               "newstext",      "newsbody",       "newscontent", "textbody",
                               "blogcontent",   "hentry",         "fulltext",    "pagecontent",
                               "singlecontent", "contentarticle", "rtejustify"};
  return kWords;
}

const Words& lead_names() {
  static const Words kWords = {
      "lead",       "leadtext", "leadparagraph", "intro",    "introtext", "introduction",
      "teasertext", "teaser",   "preface",       "vorspann", "anreisser", "anrisstext",
      "chapo",      "chapeau",  "abstract",      "excerpt",  "summary",   "entradilla",
      "bajada",     "ingress",  "zajawka",       "perex",    "lede",      "sommario"};
  return kWords;
}

}  // namespace

Hint hint_of(std::string_view class_names, std::string_view id) {
  Hint hint = Hint::kNone;
  for (const std::string_view names : {class_names.substr(0, 512), id.substr(0, 128)}) {
    std::string previous, word;
    const auto finish = [&](bool name_ends) {
      if (!word.empty()) {
        const std::string pair = previous + word;
        if (comment_names().contains(word) || comment_names().contains(pair)) {
          hint = Hint::kComments;
        } else if (furniture_names().contains(word) || furniture_names().contains(pair)) {
          if (hint != Hint::kComments) hint = Hint::kFurniture;
        } else if (hint == Hint::kNone &&
                   (lead_names().contains(word) || lead_names().contains(pair))) {
          hint = Hint::kLead;
        } else if ((hint == Hint::kNone || hint == Hint::kLead) &&
                   (content_names().contains(word) || content_names().contains(pair))) {
          hint = Hint::kContent;
        }
      }
      previous = name_ends ? std::string() : word;
      word.clear();
    };
    char before = ' ';
    for (const char c : names) {
      const bool upper = c >= 'A' && c <= 'Z';
      const char folded = upper ? static_cast<char>(c + 32) : c;
      if (folded < 'a' || folded > 'z') {
        finish(c == ' ');
      } else {
        if (upper && before >= 'a' && before <= 'z') finish(false);
        word.push_back(folded);
      }
      before = c;
    }
    finish(true);
  }
  return hint;
}

}  // namespace wiremill::clean
