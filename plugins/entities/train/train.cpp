// entities_train: makes the model of the entities stage from the annotated sets, the same bytes
// each time.
//
//   entities_train --data DIR --out FILE [--hold-out]
//
// 1. The sets are cut by the host's segmenter and turned to features. 2. The first field is
// trained on everything. 3. The second field learns from what the first says of text that it has
// not seen: the documents are dealt into parts, and each part is scored by a first field trained on
// the others. 4. Weights are cut to 8 bits and written. With --hold-out a fifth of wikinews-gold is
// left out and the model measured on it and on worldwide-dev; the model that ships is made without.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <unordered_map>

#include "plugins/entities/evidence.hpp"
#include "plugins/entities/train/augment.hpp"
#include "plugins/entities/train/corpus.hpp"
#include "plugins/entities/train/crf.hpp"
#include "plugins/entities/train/lexicon_builder.hpp"
#include "plugins/entities/train/measure.hpp"

namespace wiremill::entities {
namespace {

struct Settings {
  std::string data, out;
  bool hold_out = false;
  CrfSettings first{.epochs = 7, .rate = 0.1F, .drop = 0.25F};
  CrfSettings second{.epochs = 6, .rate = 0.05F, .drop = 0.1F};
  uint32_t parts = 2;
  size_t invented = 2500;
  size_t rows_max = 480000;
};

// Numbers for the features that occur at least twice.
class Vocabulary {
 public:
  void count(std::span<const uint32_t> features) {
    for (const uint32_t feature : features) ++seen_[feature];
  }
  void close() {
    for (const auto& [feature, times] : seen_)
      if (times > 1) keys_.push_back(feature);
    std::sort(keys_.begin(), keys_.end());
    for (uint32_t i = 0; i < keys_.size(); ++i) index_.emplace(keys_[i], i);
    seen_.clear();
  }
  void add(std::span<const uint32_t> features, Sample& sample) const {
    for (const uint32_t feature : features)
      if (const auto found = index_.find(feature); found != index_.end())
        sample.rows.push_back(found->second);
    sample.starts.push_back(static_cast<uint32_t>(sample.rows.size()));
  }
  const std::vector<uint32_t>& keys() const { return keys_; }

 private:
  std::unordered_map<uint32_t, uint32_t> seen_, index_;
  std::vector<uint32_t> keys_;
};

struct Document {
  Prepared prepared;
  Passage passage;
};

// Calls visit(document, stretch) for all stretches, and counts, then again and fills samples.
template <class FeaturesOf>
std::vector<Sample> make_samples(const std::vector<Document>& documents,
                                 std::span<const uint32_t> chosen, FeaturesOf&& features_of,
                                 Vocabulary& vocabulary) {
  std::vector<uint32_t> features;
  for (const uint32_t d : chosen)
    for (const Stretch& stretch : documents[d].passage.stretches())
      for (uint32_t i = stretch.first; i < stretch.end; ++i) {
        features_of(d, stretch, i, features);
        vocabulary.count(features);
      }
  vocabulary.close();
  std::vector<Sample> samples;
  for (const uint32_t d : chosen)
    for (const Stretch& stretch : documents[d].passage.stretches()) {
      Sample sample;
      sample.document = d;
      sample.weight = documents[d].prepared.example->weight;
      sample.starts.push_back(0);
      for (uint32_t i = stretch.first; i < stretch.end; ++i) {
        features_of(d, stretch, i, features);
        vocabulary.add(features, sample);
        sample.allowed.push_back(documents[d].prepared.labels[i]);
      }
      samples.push_back(std::move(sample));
    }
  return samples;
}

void train(const Settings& settings) {
  text::Segmenter segmenter;
  ModelSections sections;
  const LexiconTables tables = build_lexicon(settings.data, segmenter);
  sections.gazetteer = tables.gazetteer;
  sections.clusters = tables.clusters;
  Lexicon lexicon{*Table::parse(tables.gazetteer, kGazetteerWidth),
                  *Table::parse(tables.clusters, kClusterWidth)};
  std::printf("%zu phrases, %zu words with clusters\n", lexicon.gazetteer.size(),
              lexicon.clusters.size());

  std::vector<Example> examples = read_training(settings.data, settings.hold_out);
  auto invented = invent_sentences(
      read_compressed(settings.data + "/ner/gazetteers/gaz.txt.xz", false), settings.invented);
  std::move(invented.begin(), invented.end(), std::back_inserter(examples));
  std::vector<Document> documents;
  std::vector<uint32_t> all;
  size_t tokens = 0;
  documents.reserve(examples.size());
  for (const Example& example : examples) {
    Prepared prepared = prepare(example, segmenter);
    if (prepared.segmentation.tokens.empty()) continue;
    tokens += prepared.segmentation.tokens.size();
    Passage passage(prepared.input(), prepared.segmentation.tokens, lexicon);
    all.push_back(static_cast<uint32_t>(documents.size()));
    documents.push_back({std::move(prepared), std::move(passage)});
  }
  std::printf("%zu texts, %zu tokens\n", documents.size(), tokens);

  Vocabulary vocabulary;
  const std::vector<Sample> samples = make_samples(
      documents, all,
      [&](uint32_t d, const Stretch& stretch, uint32_t i, std::vector<uint32_t>& out) {
        documents[d].passage.features(stretch, i, out);
      },
      vocabulary);
  std::printf("%zu sentences, %zu features\n", samples.size(), vocabulary.keys().size());

  std::vector<uint32_t> every(samples.size());
  for (uint32_t i = 0; i < every.size(); ++i) every[i] = i;
  std::vector<std::pair<uint32_t, std::string>> rows;
  {
    std::printf("first field\n");
    Crf first(vocabulary.keys().size());
    first.train(samples, every, settings.first);
    sections.parameters.weight_step = first.quantise(vocabulary.keys(), settings.rows_max, rows);
    sections.parameters.transitions = first.transitions();
    sections.weights = Table::encode(std::move(rows), kLabels);
  }

  // What first fields say of documents that they have not seen.
  std::vector<uint32_t> running;  // documents of running text
  for (const uint32_t d : all)
    if (documents[d].prepared.example->document) running.push_back(d);
  std::vector<std::vector<Scores>> scores(documents.size());
  std::vector<std::vector<uint8_t>> labels(documents.size());
  Lattice lattice;
  for (uint32_t part = 0; part < settings.parts; ++part) {
    std::printf("first field without part %u\n", part);
    const auto in_part = [&](uint32_t i) {
      const uint32_t d = samples[i].document;
      return documents[d].prepared.example->document && d % settings.parts == part;
    };
    std::vector<uint32_t> others;
    for (const uint32_t i : every)
      if (!in_part(i)) others.push_back(i);
    Crf first(vocabulary.keys().size());
    first.train(samples, std::move(others), settings.first);
    std::vector<Scores> of_sample;
    for (const uint32_t i : every) {
      if (!in_part(i)) continue;
      first.score(samples[i], of_sample);
      std::vector<uint8_t> path(of_sample.size());
      lattice.best_path(of_sample, first.transitions(), path);
      auto& document_scores = scores[samples[i].document];
      auto& document_labels = labels[samples[i].document];
      document_scores.insert(document_scores.end(), of_sample.begin(), of_sample.end());
      document_labels.insert(document_labels.end(), path.begin(), path.end());
    }
  }

  std::printf("second field\n");
  std::unordered_map<uint32_t, Evidence> evidence;
  for (const uint32_t d : running) evidence.try_emplace(d, documents[d].passage, labels[d]);
  Vocabulary second_vocabulary;
  std::vector<Sample> second_samples = make_samples(
      documents, running,
      [&](uint32_t d, const Stretch& stretch, uint32_t i, std::vector<uint32_t>& out) {
        evidence.at(d).features(stretch, i, out);
      },
      second_vocabulary);
  size_t at = 0;
  uint32_t of_document = UINT32_MAX;
  for (Sample& sample : second_samples) {
    if (sample.document != of_document) at = 0;
    of_document = sample.document;
    const auto from = scores[of_document].begin() + static_cast<std::ptrdiff_t>(at);
    sample.base.assign(from, from + static_cast<std::ptrdiff_t>(sample.allowed.size()));
    at += sample.allowed.size();
  }
  every.resize(second_samples.size());
  Crf second(second_vocabulary.keys().size());
  second.train(second_samples, every, settings.second);
  sections.parameters.second_weight_step =
      second.quantise(second_vocabulary.keys(), settings.rows_max, rows);
  sections.parameters.second_transitions = second.transitions();
  sections.second_weights = Table::encode(std::move(rows), kLabels);

  const std::string bytes = encode_model(sections);
  std::ofstream file(settings.out, std::ios::binary);
  if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw std::runtime_error("cannot write " + settings.out);
  file.close();
  std::printf("%s: %zu bytes\n", settings.out.c_str(), bytes.size());
  if (settings.hold_out) {
    const Tagger tagger(std::move(Model::open(settings.out).value()));
    measure(tagger, read_held_out(settings.data), false, "wikinews-gold, held out");
    measure(tagger, read_worldwide(settings.data), true, "worldwide-dev");
  }
}

}  // namespace
}  // namespace wiremill::entities

int main(int argc, char** argv) {
  using namespace wiremill::entities;
  Settings settings;
  CLI::App app("Makes the model of the entities stage");
  app.add_option("--data", settings.data, "the folder of annotated sets")->required();
  app.add_option("--out", settings.out, "the model file to write")->required();
  app.add_flag("--hold-out", settings.hold_out, "leave a fifth of wikinews-gold out and measure");
  app.add_option("--epochs", settings.first.epochs, "rounds of the first field");
  app.add_option("--rate", settings.first.rate, "step of the first field");
  app.add_option("--drop", settings.first.drop, "share of features left out while training");
  app.add_option("--parts", settings.parts, "parts for the second field");
  app.add_option("--invented", settings.invented, "sentences made up for titles and names");
  app.add_option("--rows", settings.rows_max, "rows of weights kept");
  CLI11_PARSE(app, argc, argv);
  try {
    train(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "entities_train: %s\n", error.what());
    return 1;
  }
  return 0;
}
