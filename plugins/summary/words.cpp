// Stop words by language and the folding of words: lower case, and no more than the first
// kStemCharacters characters, which in inflected languages of many families brings the forms of a
// word together as well as a stemmer does that would have to be written for each.
#include "plugins/summary/words.hpp"

#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace wiremill::summary {
namespace {

constexpr size_t kStemCharacters = 7;

struct Row {
  std::string_view code, words;
};

constexpr Row kRows[] = {
    {"en",
     "a about above across after again against all almost along already also although always am "
     "among an and another any anyone anything are around as at away back be became because become "
     "been before began behind being below between both but by came can cannot come could did do "
     "does doing done down during each either else enough even ever every everyone few first for "
     "from further gave get gets getting give given go goes going gone got had has have having he "
     "her here hers herself him himself his how however i if in instead into is it its itself just "
     "keep kept know known last later least less let like likely made make makes making many may "
     "me "
     "might more most much must my myself near need never new next no nor not nothing now of off "
     "often on once one only onto or other others our ours out over own per perhaps put quite "
     "rather "
     "really said same saw say saying says second see seen several shall she should since so some "
     "someone something soon still such take taken tell than that the their theirs them themselves "
     "then there these they thing things think this those though three through thus to today "
     "together told too took toward towards two under until up upon us use used very was way we "
     "well went were what when where whether which while who whole whom whose why will with within "
     "without would yes yet you your yours 's n't 'll 're 've 'd 'm ca wo mr mrs ms dr monday "
     "tuesday wednesday thursday friday saturday sunday according added asked year years week day "
     "days time"},
    {"de",
     "aber alle allem allen aller alles als also am an ander andere anderen anderer anders auch "
     "auf "
     "aus bei beim bereits bin bis bist da dabei dadurch dafür dagegen damit danach dann daran "
     "darauf "
     "darüber das dass davon dazu dein dem den denn der deren des dessen die dies diese diesem "
     "diesen dieser dieses doch dort du durch ein eine einem einen einer eines einige er erst es "
     "etwa etwas für gab ganz gegen geht gibt hab habe haben hat hatte hatten hier hin hinter ich "
     "ihm "
     "ihn ihnen ihr ihre ihrem ihren ihrer im immer in ins ist ja jede jeden jeder jedoch jetzt "
     "kann "
     "kein keine keinen können könnte laut machen man mehr mein mit muss müssen nach nicht nichts "
     "noch nun nur ob oder ohne sagte sehr sei sein seine seinem seinen seiner seit selbst sich "
     "sie "
     "sind so soll sollen sollte sondern sowie über um und uns unser unter viel viele vom von vor "
     "war waren warum was weil weiter weitere welche wenn wer werden wie wieder will wir wird wo "
     "wurde wurden würde zu zum zur zwar zwei zwischen jahr jahre uhr"},
    {"fr",
     "à afin ai ainsi alors après au aucun aussi autre autres aux avait avant avec avoir beaucoup "
     "bien c car ce cela celle celui ces cet cette ceux chaque chez comme contre d dans de depuis "
     "des deux dit doit donc dont du elle elles en encore entre est et était étaient été être eu "
     "eux fait faire fois font il ils j je jusqu l la là le les leur leurs lors lui m ma mais me "
     "même mes moins mon n ne ni non nos notre nous on ont ou où par pas peu peut plus pour "
     "pourquoi près qu quand que quel quelle qui quoi s sa sans se selon sera ses si son sont sous "
     "sur t ta tandis te tous tout toute toutes très trois tu un une va vers voir vos votre vous y "
     "an ans l' d' c' j' m' n' s' t' qu' jusqu' lorsqu'"},
    {"es",
     "a además ahora al algo alguna algunos ante antes año años aquel aquí así aunque cada casi "
     "como "
     "con contra cual cuando cuatro de del desde después dice dijo donde dos durante e el él ella "
     "ellos en entre era eran es esa ese eso esta está estaba están estar este esto estos fue "
     "fueron "
     "ha había han hace hacer hacia hasta hay hizo la las le les lo los luego más me mi mientras "
     "mismo mucho muy nada ni no nos nosotros o otra otras otro otros para pero poco por porque "
     "primera primero puede pueden pues que qué quien se sea según ser será si sí sido sin sino "
     "sobre solo sólo son su sus también tan tanto te tiene tienen toda todas todo todos tras tres "
     "tu un una uno unos y ya yo"},
    {"it",
     "a abbiamo ad agli ai al alla alle allo anche ancora anni anno avere aveva c che chi ci cioè "
     "col come con contro cosa così cui da dagli dai dal dalla dalle degli dei del dell della "
     "delle "
     "dello di dice dopo dove due e è ed era erano essere fa fare fino fra gli ha hanno ho i il in "
     "io l la le lei li lo loro lui ma mai me mentre mi molto ne negli nei nel nell nella nelle "
     "noi "
     "non nostro o ogni oggi oltre ora per perché però più poi prima proprio può qualche quando "
     "quanto quasi quella quelle quelli quello questa queste questi questo qui quindi sarà se sei "
     "sempre senza si sia solo sono sta stata stati stato su sua sui sul sull sulla sulle suo suoi "
     "tra tre tutta tutte tutti tutto un una uno va vi l' d' dell' all' dall' nell' sull' un' c'"},
    {"pt",
     "a à ainda além algo alguns ano anos antes ao aos apenas após aquele as às até cada com como "
     "contra da das de dela dele depois desde dia disse do dois dos duas durante e é ela elas ele "
     "eles em entre era essa esse esta está estão este eu fazer foi foram há isso isto já lhe lo "
     "mais mas me mesmo meu muito muitos na não nas nem no nos nós nossa nosso num numa o onde os "
     "ou "
     "outra outras outro outros para pela pelas pelo pelos pode por porque primeira primeiro qual "
     "quando que quem se segundo sem ser será seu seus si só sobre sua suas são também tem têm "
     "tinha "
     "toda todas todo todos três tudo um uma umas uns vai você"},
    {"nl",
     "aan al alle alleen als andere bij dan dat de deze die dit doen door drie dus een eens eerste "
     "en er gaan gaat geen geweest haar had hadden heb hebben heeft hem het hier hij hoe hun ik in "
     "is ja jaar je kan komen kon kunnen later maar maken me meer men met mijn moet na naar niet "
     "niets nieuwe nog nu of om omdat onder ons ook op over sinds te tegen ten ter toch toen tot "
     "tussen twee u uit van veel volgens voor waar waren was wat weer wel werd werden wie wij wil "
     "worden wordt ze zegt zei zelf zich zij zijn zo zonder zou"},
    {"ru",
     "а без более бы был была были было быть в вам вас весь во вот все всего всех вы где года году "
     "год да даже два для до его ее её если есть еще ещё же за здесь и из или им их к как когда "
     "которая которого которой которые который которых кто ли лишь между меня мне много может "
     "можно "
     "мы на над надо нас не него нее ней нет ни них но ну о об однако он она они оно от очень "
     "перед "
     "по под после потом потому почти при про раз с сам свои свой себе себя сейчас сказал сказала "
     "со так также такой там те тем теперь то тогда того тоже только том тот три тут ты у уже хотя "
     "чего чем через что чтобы эта эти это этого этой этом этот этих я словам сообщил сообщает"},
    {"da",
     "ad af alle alt anden andre at blev blive bliver da de dem den denne der deres det dette dig "
     "din disse dog du efter eller en end er et for fra få får før gik gør ham han hans har havde "
     "hende hendes her hos hun hvad hvem hver hvis hvor hvordan i ifølge ikke ind jeg jer jo kan "
     "kom "
     "kun kunne man mange med meget men mere mig min mod mellem nogle noget nogen nu når og også "
     "om "
     "op os over på sagde selv ses sig siger sin sine skal skulle som stor så til to tre ud under "
     "var ved vi vil ville være været år"},
    {"nb",
     "alle alt andre at av ble bli blir da de dem den denne der deres det dette disse du eller en "
     "enn er et etter for fra få får før ham han hans har hadde hennes her hos hun hva hvem hver "
     "hvis hvor hvordan i ifølge ikke inn jeg kan kom kun kunne man mange med meg meget men mer "
     "min mot mellom noe noen nå når og også om opp oss over på sa seg selv si sier sin sine skal "
     "skulle som så til to tre ut under var ved vi vil ville være vært år"},
    {"sv",
     "alla allt andra att av blev bli blir bara de dem den denna deras dess det detta dig dock du "
     "där "
     "då efter eller en enligt er ett från få får för före genom ha hade han hans har henne hennes "
     "här hon honom hos hur i in inga ingen inte jag ju kan kom kunde man med mellan men mer mig "
     "min "
     "mot mycket ned nu några något när och också om oss på sade sedan sig sin sina ska skulle som "
     "så "
     "säger till två tre under upp ut utan vad var vara varit vem vi vid vill år är över"},
    {"pl",
     "a aby ale bardzo bez bo był była było były być by co czy dla do gdy gdzie go i ich ile im "
     "innych iż ja jak jako jednak jego jej jest jeszcze już każdy kiedy kto która które którego "
     "której który których lat lub ma mają mi między może można mnie na nad nam nas nie nich nim "
     "no "
     "o od on ona one oni oraz po pod podczas ponad powiedział przed przez przy roku również się "
     "są "
     "ta tak także tam te tego tej ten to tych tylko tym u w we wszystko więc z za ze został że"},
};

using StopWords = std::unordered_set<std::string_view>;

const StopWords* stop_words(std::string_view language) {
  static const auto kLists = [] {
    std::unordered_map<std::string_view, StopWords> lists;
    for (const Row& row : kRows) {
      StopWords& list = lists[row.code];
      std::string_view words = row.words;
      while (!words.empty()) {
        const size_t end = std::min(words.find(' '), words.size());
        if (end > 0) list.insert(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
      }
    }
    return lists;
  }();
  if (language == "no" || language == "nn") language = "nb";
  const auto found = kLists.find(language);
  return found == kLists.end() ? nullptr : &found->second;
}

size_t characters(std::string_view word) {
  return static_cast<size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string_view stem(std::string_view word) {
  size_t end = 0, characters = 0;
  while (end < word.size()) {
    if ((word[end] & 0xc0) != 0x80 && characters++ == kStemCharacters) break;
    ++end;
  }
  return word.substr(0, end);
}

bool is_ideographic(std::string_view word) {
  return !word.empty() && static_cast<unsigned char>(word[0]) >= 0xe3;
}

}  // namespace

std::string folded(std::string_view word) {
  std::string out(word);
  bool ascii = true;
  for (char& c : out) {
    ascii &= static_cast<signed char>(c) >= 0;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  if (ascii) return out;
  out.clear();
  icu::UnicodeString::fromUTF8({word.data(), static_cast<int32_t>(word.size())})
      .foldCase()
      .findAndReplace(icu::UnicodeString(static_cast<UChar32>(0x2019)), icu::UnicodeString("'"))
      .toUTF8String(out);
  return out;
}

bool is_stop_word(std::string_view word, std::string_view language) {
  if (const StopWords* list = stop_words(language)) return list->contains(word);
  if (is_ideographic(word)) return characters(word) < 2;
  return characters(word) < 3;
}

Words words_of(const Input& input, size_t tokens_max) {
  Words words;
  std::unordered_map<std::string, uint32_t> index;
  const size_t count = std::min(input.tokens.size(), tokens_max);
  words.of_token.assign(input.tokens.size(), kNoWord);
  for (size_t i = 0; i < count; ++i) {
    const wm_token& token = input.tokens[i];
    if (token.kind != WM_TOKEN_WORD) continue;
    const std::string word = folded(input.text.substr(token.begin, token.end - token.begin));
    if (is_stop_word(word, input.language)) continue;
    const auto [at, is_new] =
        index.emplace(std::string(stem(word)), static_cast<uint32_t>(words.count.size()));
    if (is_new) {
      words.count.push_back(0);
      words.first_token.push_back(static_cast<uint32_t>(i));
    }
    ++words.count[at->second];
    words.of_token[i] = at->second;
  }
  words.in_title.assign(words.count.size(), false);
  std::string_view title = input.title.substr(0, 1024);
  while (!title.empty()) {
    const size_t end = std::min(title.find_first_of(" ,.:;!?\"'()-"), title.size());
    const std::string word = folded(title.substr(0, end));
    if (!word.empty() && !is_stop_word(word, input.language)) {
      ++words.title_words;
      const auto found = index.find(std::string(stem(word)));
      if (found != index.end()) words.in_title[found->second] = true;
    }
    title.remove_prefix(std::min(end + 1, title.size()));
  }
  return words;
}

}  // namespace wiremill::summary
