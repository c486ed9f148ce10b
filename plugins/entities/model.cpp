// The model file, written and read: see model.hpp. Called by the trainer and by the stage's
// constructor; any thread.
#include "plugins/entities/model.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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

struct Descriptor {
  const int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

struct MappedFile {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

Result<MappedFile> map_file(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (file.number < 0 || ::fstat(file.number, &status) != 0)
    return fail_errno(errno, "open the model", path);
  const auto size = static_cast<size_t>(status.st_size);
  if (size > kFileBytesMax)
    return fail(ErrorCode::TooLarge, "{}: {} bytes are too many for a model", path, size);
  if (size == 0) return MappedFile{};
  void* const base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.number, 0);
  if (base == MAP_FAILED) return fail_errno(errno, "read the model", path);
  return MappedFile{
      {static_cast<const char*>(base), size},
      {base, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); }}};
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

Result<Model> Model::decode(std::string_view bytes, std::shared_ptr<const void> owner) {
  if (bytes.size() < kHeadBytes || !bytes.starts_with(kMagic))
    return fail(ErrorCode::Damaged, "not a model of entities");
  uint32_t head[2];
  std::memcpy(head, bytes.data() + kMagic.size(), sizeof head);
  if (head[0] != kVersion)
    return fail(ErrorCode::Unsupported, "the model has version {}, this plugin reads version {}",
                uint32_t{head[0]}, kVersion);
  if (crc32c(bytes.substr(kHeadBytes)) != head[1])
    return fail(ErrorCode::Damaged, "the checksum is wrong: the file is damaged or cut short");

  Model model;
  model.owner_ = std::move(owner);
  std::string_view rest = bytes.substr(kHeadBytes);
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
  auto file = map_file(path);
  WM_TRY(file);
  auto model = decode(file->bytes, std::move(file->owner));
  if (!model) return fail(model.error().code, "{}: {}", path, model.error().message);
  return model;
}

}  // namespace wiremill::entities
