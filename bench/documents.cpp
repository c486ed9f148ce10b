// See documents.hpp.
#include "bench/documents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

#include "daemon/text/utf8.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {
namespace {

using Words = std::vector<std::string>;

constexpr size_t kBodyBytes = 4000;
constexpr size_t kSentencesOfParagraph = 3;

struct Source {
  std::vector<Words> titles, sentences;
  Words words;  // of all sentences, as often as they occur
};

// "08-opera-house-roof.txt"; "33-fr-phare.txt" and its like name another language.
bool is_english_text(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return path.extension() == ".txt" && name.size() > 6 && name[2] == '-' && name[5] != '-' &&
         std::filesystem::file_size(path) > 0;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Words split(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

Source read_source(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_english_text(entry.path())) paths.push_back(entry.path());
  if (paths.empty()) throw std::runtime_error("no English texts in " + folder);
  std::sort(paths.begin(), paths.end());
  Source source;
  for (const auto& path : paths) {
    const std::string text = read_file(path);
    if (!text::is_valid(text)) continue;
    std::istringstream in(text);
    std::string line;
    for (bool first = true; std::getline(in, line); first = false) {
      Words sentence;
      for (std::string& word : split(line)) {
        sentence.push_back(word);
        source.words.push_back(word);
        if (!first && word.ends_with('.') && sentence.size() > 5)
          source.sentences.push_back(std::exchange(sentence, {}));
      }
      if (first && !sentence.empty()) source.titles.push_back(std::move(sentence));
    }
  }
  return source;
}

class Writer {
 public:
  explicit Writer(Source source) : source_(std::move(source)) {}

  std::string document(size_t number) {
    std::string title, body;
    append(pick(source_.titles), title);
    while (body.size() < kBodyBytes) {
      for (size_t i = 0; i < kSentencesOfParagraph; ++i) append(pick(source_.sentences), body);
      body += "\n\n";
    }
    v1::Document document;
    document.set_id(fmt::format("bench-{}", number));
    document.set_source(fmt::format("paper-{}.example", number % 10));
    document.set_title(title);
    document.set_body(title + "\n\n" + body);
    document.set_content_type("text/plain");
    return document.SerializeAsString();
  }

 private:
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[random_() % from.size()];
  }

  void append(const Words& sentence, std::string& out) {
    if (!out.empty() && out.back() != '\n') out += ' ';
    for (size_t i = 0; i < sentence.size(); ++i) {
      const bool inner = i > 0 && i + 1 < sentence.size();
      std::string word = inner && random_() % 3 == 0 ? pick(source_.words) : sentence[i];
      if (inner && word.ends_with('.')) word.pop_back();
      for (char& c : word)
        if (std::isdigit(static_cast<unsigned char>(c)) != 0)
          c = static_cast<char>('0' + random_() % 10);
      if (i > 0) out += ' ';
      out += word;
    }
  }

  const Source source_;
  std::mt19937_64 random_{4096};
};

}  // namespace

std::vector<std::string> make_documents(const std::string& articles_folder, size_t count) {
  Writer writer(read_source(articles_folder));
  std::vector<std::string> documents;
  documents.reserve(count);
  for (size_t i = 0; i < count; ++i) documents.push_back(writer.document(i));
  return documents;
}

}  // namespace wiremill
