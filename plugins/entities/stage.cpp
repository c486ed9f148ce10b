// The stage `entities`: names of people, organisations, places, events and other things, with the
// mentions of each. Called by the host: the constructor once, `process` on several threads at once.
#include <wiremill/stage.hpp>

#include <algorithm>
#include <bitset>
#include <stdexcept>

#include "plugins/entities/tagger.hpp"

namespace wiremill::entities {
namespace {

Tagger load(const Host& host) {
  auto model = Model::open(std::string(host.plugin_dir()) + "/entities.model");
  if (!model) throw std::runtime_error(model.error().message);
  return Tagger(std::move(*model));
}

class EntitiesStage {
 public:
  static constexpr wm_option kOptions[] = {
      {"types", WM_OPTION_STRINGS, 0, "[PER, ORG, LOC, EVENT, MISC]",
       "The types of entities to report.", 0, 0},
      {"confidence_min", WM_OPTION_NUMBER, 0, "0",
       "Mentions that are less sure than this are left out.", 0, 1},
      {}};
  static constexpr StageInfo kInfo = {.id = "org.wiremill.entities",
                                      .version = "1.0.0",
                                      .summary = "Finds named people, organisations and places.",
                                      .required = {"sentences", "tokens"},
                                      .used = {"language", "title"},
                                      .provided = {"entities"},
                                      .options = kOptions};

  EntitiesStage(const Host& host, const Options& options)
      : tagger_(load(host)), confidence_min_(options.number("confidence_min")) {
    for (const std::string& name : options.texts("types")) {
      const auto type = type_of_name(name);
      if (!type)
        throw std::invalid_argument("types: '" + name +
                                    "' is none of PER, ORG, LOC, EVENT and MISC");
      types_.set(static_cast<size_t>(*type));
    }
  }

  Verdict process(const Document& document, Output& output) const {
    auto mentions = tagger_.mentions(
        {document.text(), document.tokens(), document.language(), document.title()});
    std::erase_if(mentions, [&](const Mention& mention) {
      return !types_.test(static_cast<size_t>(mention.type)) ||
             mention.confidence < confidence_min_;
    });
    const auto entities = group(document.text(), std::move(mentions));

    std::vector<std::vector<wm_mention>> spans(entities.size());
    std::vector<wm_entity> out;
    for (size_t i = 0; i < entities.size(); ++i) {
      const Entity& entity = entities[i];
      for (const Mention& mention : entity.mentions)
        spans[i].push_back({{mention.begin, mention.end}, mention.confidence});
      out.push_back({to_view(kTypeNames[static_cast<size_t>(entity.type)]), to_view(entity.name),
                     entity.confidence, spans[i].data(), spans[i].size()});
    }
    output.entities(out);
    return Verdict::ok();
  }

 private:
  const Tagger tagger_;
  const double confidence_min_;
  std::bitset<kTypes> types_;
};

}  // namespace
}  // namespace wiremill::entities

WIREMILL_STAGE(wiremill::entities::EntitiesStage)
