// entities_measure: how good a model is on the annotated sets, and what it finds in a text.
//
//   entities_measure --model FILE --data DIR [--errors]     worldwide-dev and held-out wikinews
//   entities_measure --model FILE TEXT...                   entities of plain texts
//
// The line that begins with `quality` is for tests/quality/quality.py: measure, value, must, aim.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "plugins/entities/train/measure.hpp"

namespace wiremill::entities {
namespace {

void show(const Tagger& tagger, const std::string& path, const std::string& language) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const std::string text = bytes.str();
  text::Segmenter segmenter;
  text::Segmentation cut;
  segmenter.segment(text, language, cut);
  for (const Entity& entity : group(text, tagger.mentions({text, cut.tokens, language, {}}))) {
    std::printf("%-5s %.3f %s:", kTypeNames[static_cast<size_t>(entity.type)].data(),
                entity.confidence, entity.name.c_str());
    for (const Mention& mention : entity.mentions)
      std::printf(" [%s]", text.substr(mention.begin, mention.end - mention.begin).c_str());
    std::printf("\n");
  }
}

}  // namespace
}  // namespace wiremill::entities

int main(int argc, char** argv) {
  using namespace wiremill::entities;
  std::string model_path, data, language = "en";
  std::vector<std::string> texts;
  bool errors = false;
  CLI::App app("Measures a model of the entities stage");
  app.add_option("--model", model_path, "the model file")->required();
  app.add_option("--data", data, "the folder of annotated sets");
  app.add_option("--language", language, "of the texts");
  app.add_flag("--errors", errors, "list every name missed or found in vain");
  app.add_option("texts", texts, "plain texts whose entities are shown");
  CLI11_PARSE(app, argc, argv);
  auto model = Model::open(model_path);
  if (!model) {
    std::fprintf(stderr, "entities_measure: %s\n", model.error().message.c_str());
    return 1;
  }
  try {
    const Tagger tagger(std::move(*model));
    if (!data.empty()) {
      measure(tagger, read_held_out(data), false, "wikinews-gold, held out", errors);
      const double f1 = measure(tagger, read_worldwide(data), true, "worldwide-dev", errors);
      std::printf("quality\tworldwide-dev, names, F1 %%\t%.1f\t72.5\t72.5\n", f1);
    }
    for (const std::string& text : texts) show(tagger, text, language);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "entities_measure: %s\n", error.what());
    return 1;
  }
  return 0;
}
