#include "daemon/plugin/plugin.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <utility>

#include "daemon/plugin/plugin_note.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLogLineBytesMax = 4096;
constexpr size_t kCountersMax = 64;

std::string_view as_string_view(wm_view view) {
  return view.size == 0 ? std::string_view{} : std::string_view{view.data, view.size};
}

Result<std::string> find_file(const std::string& name_or_path,
                              const std::vector<std::string>& directories) {
  std::error_code ignored;
  if (name_or_path.find('/') != std::string::npos) {
    if (fs::is_regular_file(name_or_path, ignored)) return name_or_path;
    return fail(ErrorCode::Config, "plugin file {} does not exist", name_or_path);
  }
  std::string looked_in;
  for (const std::string& directory : directories) {
    const fs::path path = fs::path(directory) / (name_or_path + ".so");
    if (fs::is_regular_file(path, ignored)) return path.string();
    looked_in += (looked_in.empty() ? "" : ", ") + directory;
  }
  return fail(ErrorCode::Config, "no plugin '{}' ({}.so) in {}", name_or_path, name_or_path,
              looked_in);
}

Status check_entry(const wm_entry& entry, const PluginNote& note, const std::string& path) {
  if (entry.magic != WM_ENTRY_MAGIC)
    return fail(ErrorCode::Config, "{}: {} does not begin with the magic of a plugin", path,
                WM_SYMBOL);
  if (entry.abi_major != note.abi_major || entry.abi_minor != note.abi_minor)
    return fail(ErrorCode::Config, "{}: its note says ABI {}.{}, its entry {}.{}", path,
                note.abi_major, note.abi_minor, entry.abi_major, entry.abi_minor);
  if (entry.struct_size < sizeof(wm_entry))
    return fail(ErrorCode::Config, "{}: entry of {} bytes, at least {} expected", path,
                entry.struct_size, sizeof(wm_entry));
  const wm_descriptor* descriptor = entry.descriptor;
  if (descriptor == nullptr || descriptor->struct_size < sizeof(wm_descriptor))
    return fail(ErrorCode::Config, "{}: descriptor missing or too small", path);
  if (descriptor->id == nullptr || descriptor->version == nullptr ||
      descriptor->summary == nullptr || descriptor->required == nullptr ||
      descriptor->used == nullptr || descriptor->provided == nullptr ||
      descriptor->create == nullptr || descriptor->destroy == nullptr ||
      descriptor->process == nullptr)
    return fail(ErrorCode::Config, "{}: descriptor with a missing field", path);
  if (descriptor->id != note.id || descriptor->version != note.version)
    return fail(ErrorCode::Config, "{}: its note says {} {}, its descriptor {} {}", path, note.id,
                note.version, descriptor->id, descriptor->version);
  return {};
}

}  // namespace

std::vector<std::string> plugin_directories(const std::string& configured) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  std::vector<std::string> directories;
  if (!configured.empty()) directories.push_back(configured);
  directories.push_back((program.parent_path().parent_path() / "lib/wiremill/plugins").string());
  return directories;
}

Result<std::shared_ptr<const Plugin>> Plugin::load(const std::string& name_or_path,
                                                   const std::vector<std::string>& directories) {
  auto path = find_file(name_or_path, directories);
  if (!path) return tl::unexpected(std::move(path).error());
  const auto note = read_plugin_note(*path);
  if (!note) return tl::unexpected(note.error());
  if (note->abi_major != WM_ABI_MAJOR)
    return fail(ErrorCode::Config, "{}: built for ABI {}.{}, this host speaks {}.{}", *path,
                note->abi_major, note->abi_minor, WM_ABI_MAJOR, WM_ABI_MINOR);
  void* library = dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(ErrorCode::Config, "cannot load plugin: {}", dlerror());
  const auto* entry = static_cast<const wm_entry*>(dlsym(library, WM_SYMBOL));
  if (entry == nullptr)
    return fail(ErrorCode::Config, "{}: not a Wiremill plugin, it has no symbol {}", *path,
                WM_SYMBOL);
  WM_TRY(check_entry(*entry, *note, *path));
  if (entry->init != nullptr && entry->init() != 0)
    return fail(ErrorCode::Config, "{}: its init refused", *path);
  std::shared_ptr<Plugin> plugin(new Plugin);
  plugin->path_ = *path;
  plugin->descriptor_ = entry->descriptor;
  return plugin;
}

Stage::Stage(std::string name, std::shared_ptr<const Plugin> plugin, StageLog log)
    : name_(std::move(name)),
      plugin_(std::move(plugin)),
      plugin_directory_(fs::path(plugin_->path()).parent_path().string()),
      log_(std::move(log)) {
  host_.struct_size = sizeof(wm_host);
  host_.abi_minor = WM_ABI_MINOR;
  host_.host_data = this;
  host_.stage = {name_.data(), name_.size()};
  host_.plugin_dir = {plugin_directory_.data(), plugin_directory_.size()};
  host_.log = &host_log;
  host_.count = &host_count;
  host_.get_extension = &host_get_extension;
}

Result<std::unique_ptr<Stage>> Stage::create(std::string name, std::shared_ptr<const Plugin> plugin,
                                             const wm_option_value* values, size_t values_count,
                                             StageLog log) {
  std::unique_ptr<Stage> stage(new Stage(std::move(name), std::move(plugin), std::move(log)));
  std::string reason;
  const auto refuse = [](void* user, wm_view message) {
    static_cast<std::string*>(user)->assign(as_string_view(message));
  };
  stage->instance_ =
      stage->descriptor().create(&stage->host_, values, values_count, refuse, &reason);
  if (stage->instance_ == nullptr)
    return fail(ErrorCode::Config, "stage '{}': {}", stage->name_,
                reason.empty() ? "the plugin refused without a reason" : reason);
  return stage;
}

Stage::~Stage() {
  if (instance_ != nullptr) descriptor().destroy(instance_);
}

std::map<std::string, uint64_t> Stage::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

void Stage::host_log(const wm_host* host, uint32_t level, wm_view message) {
  const auto& stage = *static_cast<const Stage*>(host->host_data);
  if (stage.log_)
    stage.log_(stage.name_, level, as_string_view(message).substr(0, kLogLineBytesMax));
}

void Stage::host_count(const wm_host* host, wm_view name, uint64_t add) {
  auto& stage = *static_cast<Stage*>(host->host_data);
  const MutexLock lock(stage.mutex_);
  const auto found = stage.counters_.find(std::string(as_string_view(name)));
  if (found != stage.counters_.end())
    found->second += add;
  else if (stage.counters_.size() < kCountersMax)
    stage.counters_.emplace(as_string_view(name), add);
}

const void* Stage::host_get_extension(const wm_host*, const char*) { return nullptr; }

}  // namespace wiremill
