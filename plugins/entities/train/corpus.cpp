// Readers of the annotated sets: see corpus.hpp.
#include "plugins/entities/train/corpus.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>

namespace wiremill::entities {
namespace {

namespace fs = std::filesystem;

constexpr TypeSet kPer = type_set(Type::Per), kOrg = type_set(Type::Org),
                  kLoc = type_set(Type::Loc), kEvent = type_set(Type::Event),
                  kMisc = type_set(Type::Misc);

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Regular files under `folder`, sorted, so that every run reads them in the same order.
std::vector<fs::path> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Joins tokens to running text as a newspaper would print it, and keeps where names stand.
class TextBuilder {
 public:
  explicit TextBuilder(Example prototype) : prototype_(std::move(prototype)) { reset(); }

  // The sentence as it was printed, where the set tells; tokens are then looked up in it.
  void begin_sentence(std::string printed) { printed_ = std::move(printed); }

  // `begins`: a name begins here although one of the same kind stands before it.
  void token(std::string word, TypeSet types, bool begins) {
    if (word == "``" || word == "''") word = "\"";
    size_t at = current_.text.size();
    const size_t found = printed_.empty() ? std::string::npos : printed_.find(word, printed_at_);
    if (found != std::string::npos && found - printed_at_ < 8) {
      current_.text.append(printed_, printed_at_, found - printed_at_);
      at = current_.text.size();
      printed_at_ = found + word.size();
    } else {
      printed_.clear();
      if (needs_blank(word)) current_.text += ' ';
      at = current_.text.size();
    }
    current_.text += word;
    last_ = word;
    const auto begin = static_cast<uint32_t>(at);
    const auto end = static_cast<uint32_t>(current_.text.size());
    if (types != 0) {
      if (!begins && types == open_)
        current_.names.back().end = end;
      else
        current_.names.push_back({begin, end, types});
    }
    open_ = types;
  }

  // The next token stands close to the last one.
  void join() { joined_ = true; }

  void end_sentence() {
    if (last_.empty()) return;
    current_.text += '\n';
    printed_.clear();
    printed_at_ = 0;
    quotes_ = 0;
    open_ = 0;
    last_.clear();
    if (!prototype_.document) end_document();
  }

  void end_document() {
    if (!current_.text.empty()) examples_.push_back(std::move(current_));
    reset();
  }

  std::vector<Example> take() {
    end_sentence();
    end_document();
    return std::move(examples_);
  }

 private:
  void reset() { current_ = prototype_; }

  bool needs_blank(std::string_view word) {
    if (last_.empty() || std::exchange(joined_, false)) return false;
    const bool after_opening =
        is_one_of(last_, {"(", "[", "{", "$", "\u00a3", "\u201c", "\u00ab", "@", "#"}) || opened_;
    opened_ = false;
    if (word == "\"") {
      opened_ = quotes_++ % 2 == 0;
      return opened_ && !after_opening;
    }
    if (word == "'") return last_.back() != 's';
    return !after_opening &&
           !is_one_of(word, {".",   ",",  ";",       ":",      "!",   "?",      ")",     "]",
                             "}",   "%",  "'s",      "'S",     "n't", "'m",     "'re",   "'ve",
                             "'ll", "'d", "\u2019s", "\u2026", "...", "\u201d", "\u00bb"});
  }

  Example prototype_, current_;
  std::vector<Example> examples_;
  std::string printed_, last_;
  size_t printed_at_ = 0, quotes_ = 0;
  bool opened_ = false, joined_ = false;
  TypeSet open_ = 0;
};

// How a set with one token a line is written.
struct Columns {
  size_t word, tag;
  std::function<TypeSet(std::string_view)> types_of;  // of a tag without its prefix
  bool joins_hyphens = false;                         // "K - pop" was "K-pop"
};

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  const char blank = line.find('\t') != line.npos ? '\t' : ' ';
  for (size_t at = 0; at <= line.size();) {
    const size_t end = std::min(line.size(), line.find(blank, at));
    fields.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

std::vector<Example> read_columns(const std::string& bytes, const Columns& columns,
                                  const Example& prototype) {
  TextBuilder builder(prototype);
  std::istringstream lines(bytes);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line == "\t") {
      builder.end_sentence();
      continue;
    }
    if (line.rfind("# newdoc", 0) == 0) builder.end_document();
    if (line.rfind("# text = ", 0) == 0) builder.begin_sentence(line.substr(9));
    if (line.rfind("-DOCSTART-", 0) == 0) {
      builder.end_sentence();
      builder.end_document();
      continue;
    }
    const auto fields = split(line);
    if (fields.size() <= std::max(columns.word, columns.tag) || fields[columns.word].empty() ||
        line.rfind("# ", 0) == 0 || line.rfind("#\t", 0) == 0 || line.rfind("http", 0) == 0)
      continue;
    const std::string_view tag = fields[columns.tag], word = fields[columns.word];
    const bool closes = columns.joins_hyphens && is_one_of(word, {"-", "\u2019"});
    if (closes) builder.join();
    const bool marked = tag.size() > 2 && tag[1] == '-';
    builder.token(std::string(word), marked ? columns.types_of(tag.substr(2)) : 0,
                  marked && tag[0] == 'B');
    if (closes) builder.join();
  }
  return builder.take();
}

// Some sets mark user names and descriptions ("the Iraqi minister"): those marks say nothing.
void forget_descriptions(std::vector<Example>& examples) {
  for (Example& example : examples)
    for (Marked& name : example.names) {
      const char first = example.text[name.begin];
      if ((first >= 'a' && first <= 'z') || first == '@' || first == '#') name.types = kUnknown;
    }
}

TypeSet plain_types(std::string_view tag) {
  if (tag == "PER") return kPer;
  if (tag == "ORG") return kOrg;
  if (tag == "LOC") return kLoc;
  return tag == "MISC" ? kMisc | kEvent : 0;
}

TypeSet wnut_types(std::string_view tag) {
  if (tag == "person") return kPer;
  if (tag == "location") return kLoc;
  if (tag == "corporation" || tag == "group") return kOrg;
  return kMisc;
}

TypeSet crossner_types(std::string_view tag) {
  if (is_one_of(tag,
                {"person", "politician", "writer", "musicalartist", "scientist", "researcher"}))
    return kPer;
  if (is_one_of(tag, {"organisation", "politicalparty", "band", "university"})) return kOrg;
  if (is_one_of(tag, {"country", "location"})) return kLoc;
  if (is_one_of(tag, {"election", "event"})) return kEvent;
  if (is_one_of(tag, {"book", "album", "song", "poem", "award", "misc", "programlang"}))
    return kMisc;
  if (tag == "conference") return kEvent | kOrg;
  if (tag == "academicjournal" || tag == "magazine") return kOrg | kMisc;
  if (tag == "product" || tag == "theory" || tag == "algorithm" || tag == "astronomicalobject")
    return kUnknown;
  return 0;
}

TypeSet germeval_types(std::string_view tag) {
  if (tag == "LOCderiv") return kMisc;
  if (tag == "OTH") return kMisc | kEvent;
  const TypeSet plain = plain_types(tag);
  return plain != 0 ? plain : kUnknown;
}

TypeSet kaznerd_types(std::string_view tag) {
  if (tag == "PERSON") return kPer;
  if (tag == "ORGANISATION") return kOrg;
  if (is_one_of(tag, {"GPE", "LOCATION", "FACILITY"})) return kLoc;
  if (tag == "EVENT") return kEvent;
  if (is_one_of(tag, {"NORP", "LANGUAGE", "ART", "PRODUCT", "LAW", "PROJECT"})) return kMisc;
  return tag == "MISCELLANEOUS" ? kUnknown : TypeSet{0};
}

TypeSet worldwide_types(std::string_view tag) {
  if (tag == "Person") return kPer;
  if (tag == "Organization") return kOrg;
  if (tag == "Location" || tag == "Facility") return kLoc;
  return is_one_of(tag, {"Misc", "NORP", "Product"}) ? kMisc : TypeSet{0};
}

Example read_wikinews(const fs::path& path) {
  Example example{.language = "en", .name = path.filename().string(), .document = true};
  const std::string bytes = read_file(path);
  for (size_t at = 0; at < bytes.size();) {
    // "[[" that no type follows is the text's own.
    const size_t open = std::min(bytes.size(), bytes.find("[[", at));
    example.text.append(bytes, at, open - at);
    if (open == bytes.size()) break;
    const size_t bar = bytes.find('|', open), close = bytes.find("]]", open);
    const auto type = type_of_name(std::string_view(bytes).substr(open + 2, bar - open - 2));
    if (!type) {
      example.text += "[";
      at = open + 1;
      continue;
    }
    if (close == std::string::npos || bar > close)
      throw std::runtime_error("a broken mark in " + path.string());
    const auto begin = static_cast<uint32_t>(example.text.size());
    example.text.append(bytes, bar + 1, close - bar - 1);
    example.names.push_back({begin, static_cast<uint32_t>(example.text.size()), type_set(*type)});
    at = close + 2;
  }
  return example;
}

// Every fifth text in the order of their names.
std::vector<Example> read_wikinews_part(const std::string& data, bool held_out, bool all) {
  std::vector<Example> examples;
  size_t index = 0;
  for (const fs::path& path : files_under(data + "/ner/train/wikinews-gold")) {
    if (path.extension() != ".txt") continue;
    if (path.filename().string().find("LICENSE") != std::string::npos) continue;
    const bool is_held_out = index++ % 5 == 2;
    if (all || is_held_out == held_out) examples.push_back(read_wikinews(path));
  }
  return examples;
}

}  // namespace

std::string read_compressed(const std::string& path, bool archive) {
  const std::string command = (archive ? "tar xJOf '" : "xz -dc '") + path + "'";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string bytes;
  std::array<char, 65536> buffer;
  for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    bytes.append(buffer.data(), got);
  if (pclose(pipe) != 0) throw std::runtime_error(command + " failed");
  return bytes;
}

Prepared prepare(const Example& example, text::Segmenter& segmenter) {
  Prepared prepared{&example, {}, {}};
  segmenter.segment(example.text, example.language, prepared.segmentation);
  const auto& tokens = prepared.segmentation.tokens;
  LabelSet unmarked = only(kOutside);
  for (size_t t = 0; t < kTypes; ++t)
    if ((example.unmarked >> t & 1) != 0)
      for (const Place place : {Place::Begin, Place::Inside, Place::Last, Place::Unit})
        unmarked |= only(label(static_cast<Type>(t), place));
  prepared.labels.assign(tokens.size(), unmarked);
  size_t first = 0;
  for (const Marked& name : example.names) {
    // A token belongs to the name that covers at least half of it.
    const auto inside = [&](size_t i) {
      const uint32_t begin = std::max(tokens[i].begin, name.begin);
      const uint32_t end = std::min(tokens[i].end, name.end);
      return begin < end && 2 * (end - begin) >= tokens[i].end - tokens[i].begin;
    };
    while (first < tokens.size() && tokens[first].end <= name.begin) ++first;
    size_t begin = first;
    if (begin < tokens.size() && !inside(begin)) ++begin;
    size_t end = begin;
    while (end < tokens.size() && inside(end)) ++end;
    const bool cut = end > begin && tokens[begin].sentence != tokens[end - 1].sentence;
    for (size_t i = begin; i < end; ++i) {
      const Place place = end - begin == 1 ? Place::Unit
                          : i == begin     ? Place::Begin
                          : i + 1 == end   ? Place::Last
                                           : Place::Inside;
      LabelSet set = 0;
      for (size_t t = 0; t < kTypes; ++t)
        if ((name.types >> t & 1) != 0) set |= only(label(static_cast<Type>(t), place));
      prepared.labels[i] = name.types == kUnknown || cut ? kAnyLabel : set;
    }
  }
  return prepared;
}

std::vector<Example> read_training(const std::string& data, bool hold_out) {
  const std::string train = data + "/ner/train/";
  std::vector<Example> all;
  const auto add = [&](std::vector<Example> examples) {
    std::move(examples.begin(), examples.end(), std::back_inserter(all));
  };
  const auto add_columns = [&](const std::string& path, const Columns& columns,
                               const Example& prototype, bool descriptions = false) {
    auto examples = read_columns(read_file(train + path), columns, prototype);
    if (descriptions) forget_descriptions(examples);
    add(std::move(examples));
  };

  auto wikinews = read_wikinews_part(data, false, !hold_out);
  for (Example& example : wikinews) example.weight = 3;
  add(std::move(wikinews));

  const Example partial_documents{.language = "en", .unmarked = kMisc | kEvent, .document = true};
  for (const char* part : {"dev", "test"})
    add_columns(std::string("uner-english/en_ewt-ud-") + part + ".iob2", {1, 2, plain_types},
                partial_documents);
  add_columns("wikigold/CONLL-format/data/wikigold.conll.txt", {0, 1, plain_types},
              {.language = "en", .document = true});
  const Example partial_sentences{.language = "en", .unmarked = kMisc | kEvent, .weight = 0.5F};
  for (const char* path : {"train/wnut17train.conll", "dev/emerging.dev.conll"})
    add_columns(std::string("wnut17/CONLL-format/data/") + path, {0, 1, wnut_types},
                partial_sentences, true);
  for (const char* part : {"a", "b", "e", "f", "g", "h"})
    add_columns(std::string("btc/CONLL-format/data/") + part + ".conll", {0, 1, plain_types},
                partial_sentences, true);
  for (const char* domain : {"politics", "science", "music", "literature", "ai"})
    for (const char* part : {"train", "dev", "test"})
      add_columns(std::string("crossner/") + domain + "/" + part + ".txt", {0, 1, crossner_types},
                  {.language = "en"});
  for (const char* part : {"dev", "test"})
    add_columns(std::string("germeval2014/NER-de-") + part + ".tsv", {1, 2, germeval_types},
                {.language = "de"});
  for (const char* part : {"valid", "test"})
    add_columns(std::string("kaznerd/IOB2_") + part + ".txt", {0, 1, kaznerd_types},
                {.language = "kk"});
  return all;
}

std::vector<Example> read_held_out(const std::string& data) {
  return read_wikinews_part(data, true, false);
}

std::vector<Example> read_worldwide(const std::string& data) {
  const std::string bytes = read_compressed(data + "/ner/eval/worldwide-dev.tar.xz", true);
  // The articles' tables stand one behind the other, each under a line with its address.
  std::vector<Example> all;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = at;
    do {
      end = bytes.find("\nhttp", end + 1);
    } while (end != std::string::npos && bytes[bytes.find_first_of("\t\n", end + 1)] != '\t');
    if (end == std::string::npos) end = bytes.size();
    auto examples = read_columns(bytes.substr(at, end - at), {0, 1, worldwide_types, true},
                                 {.language = "en", .document = true});
    std::move(examples.begin(), examples.end(), std::back_inserter(all));
    at = end + 1;
  }
  return all;
}

}  // namespace wiremill::entities
