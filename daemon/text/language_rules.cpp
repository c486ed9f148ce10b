// The tables by language. A word is written in lower case where its case does not matter, and with
// a capital where only the capitalised form is an abbreviation ("Sun.", never "sun."). The
// international row holds for every language: names of English origin stand in texts of all of
// them.
#include "daemon/text/language_rules.hpp"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <string>

namespace wiremill::text {
namespace {

struct Row {
  std::string_view code, title, numeric, common, starters;
};

constexpr size_t kWordBytesMax = 40;  // longer words are in no table

constexpr Row kRows[] = {
    {"",
     "mr mrs ms messrs mmes dr drs prof gen sen rep gov lt col cpl sgt capt cmdr maj adm brig rev "
     "hon pres supt insp amb st ste mt ft vs viz cf e.g i.e Msgr Mlle Mme",
     "no nos nr p pp art vol fig figs ch sec para fn v vv",
     "jr sr inc corp co cos ltd plc llc bros etc al ph.d m.d b.a m.a d.c approx dept univ assn ave "
     "blvd Jan Feb Apr Jun Jul Aug Sep Sept Oct Nov Dec a.m p.m",
     ""},
    {"en",
     "Fr Br atty messrs reps sens gens govs maj.gen lt.gen lt.col brig.gen c.f secy "
     "asst assoc comm det dist eng hr incl",
     "sect eq ex lot op vols nos arts pt",
     "Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun Mar est min max ed eds rd sq ext tel Ala Ariz "
     "Ark "
     "Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Md Mass Mich Minn Miss Mo Mont Neb Nev Okla Ore "
     "Pa Penn Tenn Tex Va Vt Wash Wis Wyo esq mfg mfrs intl natl govt ctr hwy mph mi oz lb lbs",
     "the a an he she it they we i you his her its their our my your this that these those there "
     "here in on at by for from with without after before during since as if when while where how "
     "what who why which but and or so yet however although though because according also both "
     "one two some many most several all no not now then still meanwhile last next more another "
     "each every have has had do does did is are was were will would can could should let"},
    {"de",
     "z.b z d.h d u.a u i.d.r i z.zt z.t s.o s.u o.ä bzw ca dipl ing hrsg evtl ggf inkl exkl insb "
     "jh geb gest sog vgl hl hr fr frl str verh vers zz zzt Mag zit allg bes dgl eigtl entspr gegr "
     "gen lat mind nörd südl östl westl St Bd Bde o s",
     "abs nr art s kap bd abb tab ziff rn",
     "usw etc u.s.w u.v.m tel max min mio mrd tsd mill Jän Mär Okt Dez u.ä o.g",
     "der die das den dem des ein eine einen einem einer er sie es wir ihr ich du man dies diese "
     "dieser dieses in im am an auf aus bei mit nach seit von vor zu zum zur für über unter durch "
     "gegen ohne und aber doch auch so wenn als wie was wer wo warum dann danach nun noch nur "
     "jedoch dabei damit dazu darauf dort hier zudem außerdem bis ob sein seine ihre unser"},
    {"fr",
     "m mm mme mmes mlle mlles mgr dr pr av bd boul st ste env ex cf p.ex ch vve adr apr c.-à-d "
     "chap éd fig ibid id inf jr vol",
     "no n art p pp chap vol fig t",
     "etc janv févr avr juil sept oct nov déc tél min max hab apr j.-c s.a ltd",
     "le la les l un une des il elle ils elles on nous vous je tu ce cet cette ces c en dans sur "
     "sous pour par avec sans après avant depuis pendant selon mais et ou donc or ni car si quand "
     "lorsque comme où que qui quoi quel quelle son sa ses leur leurs notre mon à au aux de du "
     "d plus ainsi alors aussi puis enfin cependant toutefois pourtant"},
    {"es",
     "sr sra srta sres sras dr dra dres dras d dña lic ing arq prof profa gral cnel cap tte sgto "
     "pbro mons fr sto sta sto av avda c ctra pza gob pdte dir admón ud uds vd vds ee ff.aa aa ff "
     "p.ej ej e.g i.e cf fco ma núm.ext",
     "no nos núm núms n pág págs p pp art arts párr párrf cap caps vol fig tel",
     "etc uu ee.uu a.c d.c ene feb abr may jun jul ago sept oct nov dic Mar mié jue vie sáb dom "
     "lun "
     "km hs min aprox dpto cía s.a s.l máx mín a.m p.m",
     "el la los las un una unos unas él ella ellos ellas yo tú nosotros usted se lo le les este "
     "esta esto estos estas ese esa eso en de del al a por para con sin desde hasta según tras "
     "sobre entre durante pero y o ni si cuando como donde que qué quién cómo cuándo dónde su sus "
     "mi no ya también además así aunque mientras entonces luego después antes hoy ayer"},
    {"it",
     "sig sigg sig.ra sig.na sigra dott dr dott.ssa dott.sa prof prof.ssa avv ing arch geom rag "
     "on sen gen col cap ten mons don s ss san dir amm pres vice vs gent.mo egr spett ill.mo lgt "
     "d st es ad.es cfr rif alleg all",
     "no n nr art artt pag pagg p pp cap vol fig tab",
     "ecc etc gen feb mar apr mag giu lug ago Set sett ott nov dic lun mar mer gio ven sab dom tel "
     "min max a.c d.c s.p.a s.r.l econ psicol",
     "il lo la i gli le l un una uno egli ella esso essa essi esse lui lei loro io tu noi voi si "
     "questo questa questi queste quello quella quelli in nel nella nei nelle di del della dei "
     "delle a al alla ai alle da dal dalla su sul sulla con per tra fra ma e o se quando come dove "
     "che chi cosa perché non ci è sono ha hanno anche poi dopo prima secondo infatti inoltre però "
     "mentre così ancora grazie arrivederci mi"},
    {"pt",
     "sr sra srta srs dr dra drs prof profa eng arq exmo exma av r al pç trav gen cel cap ten sgto "
     "maj min dep sen gov pres d st sto sta p.ex ex cf",
     "no n nº núm pág págs p pp art arts cap vol fig tel",
     "etc jan fev mar abr mai jun jul ago Set out nov dez a.c d.c s.a "
     "ltda cia km hab aprox máx",
     "o a os as um uma uns umas ele ela eles elas eu tu nós você vocês se este esta isto estes "
     "estas esse essa isso aquele aquela em no na nos nas de do da dos das ao à aos às por pelo "
     "pela para com sem desde até segundo após sobre entre durante mas e ou nem se quando como "
     "onde que quem qual não já também além assim embora enquanto então depois antes hoje ontem "
     "seu sua"},
    {"nl",
     "dhr mevr mw mej dr drs ir ing mr prof ds jhr gen kol kapt lt bv bijv d.w.z dwz o.a oa m.n mn "
     "t.o.v i.v.m z.g zgn zg resp ca vgl incl excl evt o.m st m.b.t a.d t.w",
     "nr nrs blz p pp art afb hfst par fig",
     "enz etc e.d jan feb mrt apr jun jul aug sept okt nov dec tel mld mln v.chr n.chr n.v b.v",
     "de het een hij zij ze wij we ik je jij u jullie dit dat deze die er in op aan bij met na "
     "naar "
     "van voor uit over onder door tegen tot zonder sinds volgens tijdens maar en of want dus als "
     "toen wanneer waar hoe wat wie waarom ook nog nu dan daar hier zo toch echter omdat hoewel "
     "zijn haar hun ons mijn"},
    {"ru",
     "г-н г-жа гг-н гр ул пр просп пл пер наб бул ш д кв корп стр.п обл р-н пгт пос дер с ст о оз "
     "р акад проф доц д-р инж ген полк подп майор кап лейт св т.е т.к т.н т.ч и.о см ср напр тов "
     "зам зав ред изд сост",
     "стр с п пп рис табл гл ч т вып ст № разд",
     "г гг в вв им н.э др пр т.д т.п руб коп долл дол тыс млн млрд трлн куб.м кв.м кв.км м км кг "
     "мин сек час ок тел янв февр апр авг сент окт нояб дек у.е",
     "в во на он она оно они мы я вы ты это этот эта эти тот та те то по с со к ко о об из от до "
     "за "
     "для при после перед под над между без через и а но или да же если когда как что кто где "
     "почему также однако так там тут здесь теперь тогда потом уже ещё еще все весь всё его её их "
     "наш мой свой согласно кроме хотя поэтому"},
    {"da",
     "hr fr frk dr prof lic cand skt sct st kgl f.eks f.x fx bl.a mht m.h.t ca vedr pga jf jvf evt "
     "inkl ekskl iflg ifm ang d.v.s dvs m.a.o red udg",
     "nr nrs s pp art kap stk fig bd tlf",
     "osv etc m.v m.m mv mm mio mia kr jan feb mar apr jun jul aug sept okt nov dec o.l o.lign tlf "
     "pct co e.kr f.kr a/s",
     "den det de en et han hun jeg vi du man i dette denne disse der her på af at til fra med uden "
     "efter før under over ved om for mod siden ifølge men og eller så da når hvis hvor hvordan "
     "hvad hvem hvorfor hvilken også nu også dog derfor samtidig selv som sin hans hendes deres"},
    {"nb", "hr fr frk dr prof st kgl f.eks bl.a ca vedr pga jf evt inkl ekskl iflg ang dvs mht",
     "nr s art "
     "kap fig bd tlf",
     "osv etc m.m m.v mill mrd kr jan feb mar apr jun jul aug sept okt nov des tlf pst",
     "den det de en et han hun jeg vi du man i dette denne disse der her på av at til fra med uten "
     "etter før under over ved om for mot siden ifølge men og eller så da når hvis hvor hvordan "
     "hva hvem hvorfor også nå likevel derfor samtidig selv som"},
    {"sv",
     "hr fr dr prof s.k t.ex bl.a ca d.v.s dvs fr.o.m t.o.m m.a.o p.g.a kl resp inkl exkl enl ang "
     "st jfr",
     "nr s art kap fig bd",
     "osv etc m.m m.fl mkr milj kr jan feb mar apr jun jul aug sept okt nov dec tel e.kr f.kr",
     "den det de en ett han hon jag vi du man i detta denna dessa där här på av att till från med "
     "utan efter före under över vid om för mot sedan enligt men och eller så då när hur vad vem "
     "varför också nu dock därför samtidigt som"},
    {"pl",
     "p dr hab prof inż mgr ks św gen płk mjr kpt por im ul al pl np tzn tzw m.in min.in ok ww "
     "zob por red",
     "nr s str art ust pkt rys tab t",
     "itd itp r w tys mln mld zł gr godz tel sty lut mar kwi cze lip sie wrz paź lis gru n.e",
     "w we na z ze do od po za o u i a ale lub czy jeśli gdy jak co kto gdzie dlaczego on ona ono "
     "oni my ja to ten ta te tak nie jednak także więc jest są"},
};

std::string lowered(std::string_view word) {
  std::string out(word);
  bool is_ascii = true;
  for (char& c : out) {
    is_ascii = is_ascii && static_cast<unsigned char>(c) < 0x80;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  if (is_ascii) return out;
  out.clear();
  icu::UnicodeString::fromUTF8({word.data(), static_cast<int32_t>(word.size())})
      .toLower(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

template <class Visit>
void each_word(std::string_view words, Visit&& visit) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (end > 0) visit(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

constexpr std::string_view kElisions =
    "l d j m t s n c qu jusqu lorsqu puisqu quoiqu dell all dall nell sull coll un quest quell "
    "sant bell nient tutt mezz gl degl";

}  // namespace

void LanguageRules::add(std::string_view words, Abbreviation kind) {
  each_word(words, [&](std::string_view word) { abbreviations_.insert_or_assign(word, kind); });
}

LanguageRules LanguageRules::make(std::string_view code) {
  LanguageRules rules;
  for (const Row& row : kRows) {
    if (!row.code.empty() && row.code != code) continue;
    rules.add(row.numeric, Abbreviation::Numeric);
    rules.add(row.common, Abbreviation::Common);
    rules.add(row.title, Abbreviation::Title);
    each_word(row.starters, [&](std::string_view word) { rules.starters_.insert(word); });
  }
  if (code == "en") rules.clitics = Clitics::English;
  if (code == "nl" || code == "af") rules.clitics = Clitics::None;
  if (code == "fr" || code == "it" || code == "ca" || code == "oc") {
    rules.clitics = Clitics::Elision;
    each_word(kElisions, [&](std::string_view word) { rules.elisions_.insert(word); });
  }
  rules.capitals_after_ordinals = code == "de";
  rules.guillemets_point_outwards = code != "de" && code != "da";
  rules.ascii_full_stop = code == "el" ? ';' : code == "hy" ? ':' : '\0';
  return rules;
}

const LanguageRules& LanguageRules::of(std::string_view code) {
  static const std::unordered_map<std::string_view, LanguageRules> kRules = [] {
    std::unordered_map<std::string_view, LanguageRules> rules;
    for (const Row& row : kRows) rules.emplace(row.code, make(row.code));
    for (const std::string_view other : {"af", "ca", "oc", "el", "hy"})
      rules.emplace(other, make(other));
    return rules;
  }();
  if (code.empty() || code == "und" || code == "mul") code = "en";
  if (code == "no" || code == "nn") code = "nb";
  const auto found = kRules.find(code);
  return found != kRules.end() ? found->second : kRules.at("");
}

Abbreviation LanguageRules::abbreviation(std::string_view word) const {
  if (word.size() > kWordBytesMax) return Abbreviation::None;
  auto found = abbreviations_.find(word);
  if (found == abbreviations_.end()) found = abbreviations_.find(lowered(word));
  return found == abbreviations_.end() ? Abbreviation::None : found->second;
}

bool LanguageRules::begins_sentences(std::string_view word) const {
  return word.size() <= kWordBytesMax && starters_.contains(lowered(word));
}

bool LanguageRules::is_elision(std::string_view word) const {
  return word.size() <= kWordBytesMax && elisions_.contains(lowered(word));
}

}  // namespace wiremill::text
