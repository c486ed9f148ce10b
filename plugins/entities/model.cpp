// The model file, written and read: see model.hpp. Called by the trainer and by the stage's
// constructor; any thread.
#include "plugins/entities/model.hpp"

#include <cstring>
#include <fstream>
#include <sstream>

#include "daemon/base/hash.hpp"

namespace wiremill::entities {
namespace {

constexpr std::string_view kMagic = "WMENTITY";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 16;
constexpr size_t kFileBytesMax = 256U << 20;

void append_section(std::string& out, std::string_view bytes) {
  const uint64_t size = bytes.size();
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out += bytes;
  out.append((8 - out.size() % 8) % 8, '\0');
}

Result<std::string_view> take_section(std::string_view& rest) {
  uint64_t size = 0;
  if (rest.size() < sizeof size) return fail(ErrorCode::Damaged, "a section is missing");
  std::memcpy(&size, rest.data(), sizeof size);
  rest.remove_prefix(sizeof size);
  if (size > rest.size()) return fail(ErrorCode::Damaged, "a section is cut short");
  const std::string_view section = rest.substr(0, size);
  rest.remove_prefix(std::min<size_t>(rest.size(), (size + 7) / 8 * 8));
  return section;
}

}  // namespace

std::string encode_model(const ModelSections& sections) {
  std::string body;
  append_section(body, {reinterpret_cast<const char*>(&sections.parameters), sizeof(Parameters)});
  for (const std::string* section :
       {&sections.weights, &sections.second_weights, &sections.gazetteer, &sections.clusters})
    append_section(body, *section);
  const uint32_t head[2] = {kVersion, crc32c(body)};
  std::string out(kMagic);
  out.append(reinterpret_cast<const char*>(head), sizeof head);
  return out + body;
}

Result<Model> Model::decode(const std::string& bytes) {
  if (bytes.size() < kHeadBytes || std::string_view(bytes).substr(0, kMagic.size()) != kMagic)
    return fail(ErrorCode::Damaged, "not a model of entities");
  uint32_t head[2];
  std::memcpy(head, bytes.data() + kMagic.size(), sizeof head);
  if (head[0] != kVersion)
    return fail(ErrorCode::Unsupported, "the model has version {}, this plugin reads version {}",
                uint32_t{head[0]}, kVersion);
  if (crc32c(std::string_view(bytes).substr(kHeadBytes)) != head[1])
    return fail(ErrorCode::Damaged, "the checksum is wrong: the file is damaged or cut short");

  Model model;
  model.bytes_ = std::make_unique<uint64_t[]>((bytes.size() + 7) / 8);
  std::memcpy(model.bytes_.get(), bytes.data(), bytes.size());
  std::string_view rest(reinterpret_cast<const char*>(model.bytes_.get()), bytes.size());
  rest.remove_prefix(kHeadBytes);
  const auto parameters = take_section(rest);
  WM_TRY(parameters);
  if (parameters->size() != sizeof(Parameters))
    return fail(ErrorCode::Damaged, "the parameters have {} bytes", parameters->size());
  std::memcpy(&model.parameters_, parameters->data(), sizeof(Parameters));
  const std::pair<Table*, size_t> tables[] = {{&model.weights_, kLabels},
                                              {&model.second_weights_, kLabels},
                                              {&model.lexicon_.gazetteer, kGazetteerWidth},
                                              {&model.lexicon_.clusters, kClusterWidth}};
  for (const auto& [table, width] : tables) {
    const auto section = take_section(rest);
    WM_TRY(section);
    auto parsed = Table::parse(*section, width);
    WM_TRY(parsed);
    *table = *parsed;
  }
  return model;
}

Result<Model> Model::open(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return fail_errno(errno, "open the model", path);
  const auto size = file.tellg();
  if (size < 0) return fail_errno(errno, "read the model", path);
  if (static_cast<uint64_t>(size) > kFileBytesMax)
    return fail(ErrorCode::TooLarge, "{}: {} bytes are too many for a model", path,
                static_cast<uint64_t>(size));
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) return fail_errno(errno, "read the model", path);
  auto model = decode(bytes);
  if (!model) return fail(model.error().code, "{}: {}", path, model.error().message);
  return model;
}

}  // namespace wiremill::entities
