// Mentions to entities. Mentions of one type and the same words (in any case) are one entity. Then
// each person's shorter form joins a fuller one whose words it repeats in their order: "Qin" and
// "Gang" join "Qin Gang", "Barack Obama" joins "Barack Hussein Obama". Where several fuller forms
// fit (two people of one family) the one mentioned last before the short form is meant, as readers
// take it. Linear but for the people's forms, of which each is compared only with those that share
// its first word. See tagger.hpp.
#include <algorithm>
#include <unordered_map>

#include "plugins/entities/tagger.hpp"

namespace wiremill::entities {
namespace {

// The forms that share a word and are looked at; more are a list of names, not an article.
constexpr size_t kCandidatesMax = 64;

struct Form {
  std::vector<Mention> mentions;
  const std::vector<uint64_t>& words() const { return mentions.front().words; }
};

bool repeats(const std::vector<uint64_t>& part, const std::vector<uint64_t>& whole) {
  size_t at = 0;
  for (const uint64_t word : whole)
    if (at < part.size() && part[at] == word) ++at;
  return at == part.size();
}

std::string clean_name(std::string_view text, const Mention& mention) {
  std::string name;
  for (const char c : text.substr(mention.begin, mention.end - mention.begin)) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!blank)
      name += c;
    else if (!name.empty() && name.back() != ' ')
      name += ' ';
  }
  return name;
}

uint64_t key_of(const Mention& mention) {
  uint64_t key = static_cast<uint64_t>(mention.type);
  for (const uint64_t word : mention.words) key = mix(key, word);
  return key;
}

// For each person's form the index of the fuller form that it joins, or its own.
std::vector<size_t> find_fuller(const std::vector<Form>& forms) {
  std::unordered_map<uint64_t, std::vector<size_t>> by_word;
  for (size_t i = 0; i < forms.size(); ++i)
    if (forms[i].mentions.front().type == Type::Per && forms[i].words().size() > 1)
      for (const uint64_t word : forms[i].words())
        if (auto& list = by_word[word]; list.size() < kCandidatesMax) list.push_back(i);
  std::vector<size_t> fuller(forms.size());
  for (size_t i = 0; i < forms.size(); ++i) {
    fuller[i] = i;
    if (forms[i].mentions.front().type != Type::Per) continue;
    const auto candidates = by_word.find(forms[i].words().front());
    if (candidates == by_word.end()) continue;
    const uint32_t begin = forms[i].mentions.front().begin;
    // The latest mention before `begin`, else the earliest behind it.
    const auto closeness = [&](size_t candidate) {
      const auto& mentions = forms[candidate].mentions;
      const auto behind = std::partition_point(mentions.begin(), mentions.end(),
                                               [&](const Mention& m) { return m.begin < begin; });
      if (behind != mentions.begin()) return int64_t{UINT32_MAX} + (behind - 1)->begin;
      return -int64_t{mentions.front().begin};
    };
    int64_t best = INT64_MIN;
    for (const size_t candidate : candidates->second) {
      if (forms[candidate].words().size() <= forms[i].words().size()) continue;
      if (!repeats(forms[i].words(), forms[candidate].words())) continue;
      if (const int64_t value = closeness(candidate); value > best) {
        best = value;
        fuller[i] = candidate;
      }
    }
  }
  return fuller;
}

}  // namespace

std::vector<Entity> group(std::string_view text, std::vector<Mention> mentions) {
  std::vector<Form> forms;
  std::unordered_map<uint64_t, size_t> index;
  for (Mention& mention : mentions) {
    const auto [found, added] = index.try_emplace(key_of(mention), forms.size());
    if (added) forms.emplace_back();
    forms[found->second].mentions.push_back(std::move(mention));
  }

  // Each form names a longer one, so following the names ends at the fullest.
  const std::vector<size_t> fuller = find_fuller(forms);
  std::vector<std::vector<size_t>> members(forms.size());
  for (size_t i = 0; i < forms.size(); ++i) {
    size_t fullest = i;
    while (fuller[fullest] != fullest) fullest = fuller[fullest];
    members[fullest].push_back(i);
  }
  std::vector<Entity> entities;
  for (size_t i = 0; i < forms.size(); ++i) {
    if (members[i].empty()) continue;
    const Mention& front = forms[i].mentions.front();
    Entity entity{front.type, clean_name(text, front), 0, {}};
    for (const size_t member : members[i])
      std::move(forms[member].mentions.begin(), forms[member].mentions.end(),
                std::back_inserter(entity.mentions));
    std::sort(entity.mentions.begin(), entity.mentions.end(),
              [](const Mention& left, const Mention& right) { return left.begin < right.begin; });
    for (const Mention& mention : entity.mentions)
      entity.confidence = std::max(entity.confidence, mention.confidence);
    entities.push_back(std::move(entity));
  }
  std::sort(entities.begin(), entities.end(), [](const Entity& left, const Entity& right) {
    return left.mentions.front().begin < right.mentions.front().begin;
  });
  return entities;
}

}  // namespace wiremill::entities
