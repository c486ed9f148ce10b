// Makes language.model. The same tables give the same file.
//
//   language_train TABLES language.model [--worth-min W]
//
// TABLES is the unpacked folder of lingua's n-gram tables: one folder per ISO 639-1 code.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "plugins/language/train/builder.hpp"

namespace {

using namespace wiremill;            // NOLINT
using namespace wiremill::language;  // NOLINT

Status train(const std::string& folder, const std::string& path, const BuilderSettings& settings) {
  std::vector<std::string> codes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.is_directory()) codes.push_back(entry.path().filename());
  if (error) return fail(ErrorCode::Io, "{}: {}", folder, error.message());
  if (codes.empty() || codes.size() > kLanguagesMax)
    return fail(ErrorCode::Malformed, "{}: {} languages", folder, codes.size());
  std::sort(codes.begin(), codes.end());
  std::vector<LanguageTables> tables;
  for (const std::string& code : codes) {
    auto read = read_tables(folder, code);
    WM_TRY(read);
    printf("%s: %llu symbols\n", code.c_str(), static_cast<unsigned long long>(read->symbols));
    tables.push_back(std::move(*read));
  }
  ModelParts parts = build_model(tables, settings);
  size_t weights = 0;
  for (const ModelGram& gram : parts.grams) weights += gram.weights.size();
  const size_t grams = parts.grams.size();
  const std::string bytes = encode_model(std::move(parts));
  printf("%zu n-grams, %zu weights, %zu bytes\n", grams, weights, bytes.size());
  std::ofstream file(path, std::ios::binary);
  if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush())
    return fail_errno(errno, "write the model", path);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes language.model of n-gram tables.");
  std::string folder, path;
  BuilderSettings settings;
  app.add_option("tables", folder)->required();
  app.add_option("model", path)->required();
  app.add_option("--worth-min", settings.worth_min, "weights worth less are left out");
  app.add_option("--frequency-power", settings.frequency_power);
  app.add_option("--share-power", settings.share_power);
  CLI11_PARSE(app, argc, argv);
  const Status done = train(folder, path, settings);
  if (done) return 0;
  fprintf(stderr, "language_train: %s\n", done.error().message.c_str());
  return exit_code(done.error().code);
}
