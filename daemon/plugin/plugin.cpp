#include "daemon/plugin/plugin.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/plugin/plugin_note.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLogLineBytesMax = 4096;
constexpr size_t kCopiesMax =
    500;  // each holds memory and a descriptor as long as the process lives

std::string_view as_string_view(wm_view view) {
  return view.size == 0 ? std::string_view{} : std::string_view{view.data, view.size};
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

Result<std::string> find_plugin(const std::string& name_or_path,
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

std::vector<std::string> plugin_directories(const std::string& configured) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  std::vector<std::string> directories;
  if (!configured.empty()) directories.push_back(configured);
  directories.push_back((program.parent_path().parent_path() / "lib/wiremill/plugins").string());
  return directories;
}

namespace {

// Which file it is: a replaced one differs.
struct FileIdentity {
  dev_t device;
  ino_t inode;
  off_t size;
  int64_t modified_s, modified_ns;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

Result<FileIdentity> identity_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return fail_errno(errno, "look at", path);
  return FileIdentity{file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                      file.st_mtim.tv_nsec};
}

// A file in memory with the bytes of `path`; the descriptor is never closed.
Result<std::string> private_copy(const std::string& path) {
  const int from = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return fail_errno(errno, "open", path);
  const int copy = memfd_create(fs::path(path).filename().c_str(), MFD_CLOEXEC);
  ssize_t moved = copy < 0 ? -1 : 1;
  while (moved > 0) moved = sendfile(copy, from, nullptr, 1 << 30);
  const int error = errno;
  close(from);
  if (moved == 0) return "/proc/self/fd/" + std::to_string(copy);
  if (copy >= 0) close(copy);
  return fail_errno(error, "copy", path);
}

// The plugins that this process has loaded. The dynamic linker knows a library by its path, and what
// is mapped is never unmapped: it would answer the old code for a file that was replaced. So a changed
// file is loaded from a private copy.
class Registry {
 public:
  // A plugin that was loaded from this very file, or null.
  std::shared_ptr<const Plugin> find(const std::string& path, const FileIdentity& identity) {
    const MutexLock lock(mutex_);
    for (const Loaded& loaded : paths_[path])
      if (loaded.identity == identity) return loaded.plugin;
    return nullptr;
  }

  // What to give dlopen for `path`. Errors: Io, Config (too many copies).
  Result<std::string> file_to_load(const std::string& path) {
    const MutexLock lock(mutex_);
    if (known_.insert(path).second) return path;
    if (copies_ == kCopiesMax)
      return fail(
          ErrorCode::Config,
          "{}: {} replaced plugins are loaded already, and none is ever unloaded: start the "
          "daemon again, or give the stage isolation: process",
          path, kCopiesMax);
    ++copies_;
    return private_copy(path);
  }

  void add(const std::string& path, const FileIdentity& identity,
           std::shared_ptr<const Plugin> plugin) {
    const MutexLock lock(mutex_);
    paths_[path].push_back({identity, std::move(plugin)});
  }

 private:
  struct Loaded {
    FileIdentity identity;
    std::shared_ptr<const Plugin> plugin;
  };

  Mutex mutex_;
  std::map<std::string, std::vector<Loaded>> paths_ WM_GUARDED_BY(mutex_);
  std::set<std::string> known_ WM_GUARDED_BY(mutex_);  // to the dynamic linker
  size_t copies_ WM_GUARDED_BY(mutex_) = 0;
};

Registry& registry() {
  static auto* const all = new Registry;  // stages may outlive every static object
  return *all;
}

}  // namespace

Result<std::shared_ptr<const Plugin>> Plugin::load(const std::string& name_or_path,
                                                   const std::vector<std::string>& directories) {
  auto path = find_plugin(name_or_path, directories);
  if (!path) return tl::unexpected(std::move(path).error());
  const auto identity = identity_of(*path);
  if (!identity) return tl::unexpected(identity.error());
  if (auto loaded = registry().find(*path, *identity)) return loaded;
  const auto note = read_plugin_note(*path);
  if (!note) return tl::unexpected(note.error());
  if (note->abi_major != WM_ABI_MAJOR)
    return fail(ErrorCode::Config, "{}: built for ABI {}.{}, this host speaks {}.{}", *path,
                note->abi_major, note->abi_minor, WM_ABI_MAJOR, WM_ABI_MINOR);
  const auto file = registry().file_to_load(*path);
  if (!file) return tl::unexpected(file.error());
  void* library = dlopen(file->c_str(), RTLD_NOW | RTLD_LOCAL);
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
  registry().add(*path, *identity, plugin);
  return plugin;
}

namespace {

class LoadedStage final : public Stage {
 public:
  LoadedStage(std::string name, std::shared_ptr<const Plugin> plugin, StageLog log)
      : Stage(std::move(name), std::move(log)),
        plugin_(std::move(plugin)),
        plugin_directory_(fs::path(plugin_->path()).parent_path().string()) {
    host_.struct_size = sizeof(wm_host);
    host_.abi_minor = WM_ABI_MINOR;
    host_.host_data = this;
    host_.stage = {Stage::name().data(), Stage::name().size()};
    host_.plugin_dir = {plugin_directory_.data(), plugin_directory_.size()};
    host_.log = &host_log;
    host_.count = &host_count;
    host_.get_extension = &host_get_extension;
    host_.gauge = &host_gauge;
    host_.observe = &host_observe;
    host_.clock_us = &host_clock_us;
  }
  ~LoadedStage() override {
    if (instance_ != nullptr) descriptor().destroy(instance_);
  }

  Status start(const wm_option_value* values, size_t values_count) {
    std::string reason;
    const auto refuse = [](void* user, wm_view message) {
      static_cast<std::string*>(user)->assign(as_string_view(message));
    };
    instance_ = descriptor().create(&host_, values, values_count, refuse, &reason);
    if (instance_ == nullptr)
      return fail(ErrorCode::Config, "{}",
                  reason.empty() ? "the plugin refused without a reason" : reason);
    return {};
  }

  const wm_descriptor& descriptor() const override { return plugin_->descriptor(); }
  int32_t process(const wm_batch& batch) const override {
    return plugin_code(descriptor().process(instance_, &batch));
  }
  int32_t settle(const wm_batch& batch) const override {
    return plugin_code(descriptor().settle(instance_, &batch));
  }

 private:
  static void host_log(const wm_host* host, uint32_t level, wm_view message) {
    static_cast<const LoadedStage*>(host->host_data)->log(level, as_string_view(message));
  }
  static void host_count(const wm_host* host, wm_view name, uint64_t add) {
    static_cast<const LoadedStage*>(host->host_data)->count(as_string_view(name), add);
  }
  static const void* host_get_extension(const wm_host*, const char*) { return nullptr; }
  static void host_gauge(const wm_host* host, wm_view name, double value) {
    static_cast<const LoadedStage*>(host->host_data)->gauge(as_string_view(name), value);
  }
  static void host_observe(const wm_host* host, wm_view name, double value) {
    static_cast<const LoadedStage*>(host->host_data)->observe(as_string_view(name), value);
  }
  static int64_t host_clock_us(const wm_host*) { return monotonic_ns() / 1000; }

  const std::shared_ptr<const Plugin> plugin_;
  const std::string plugin_directory_;
  wm_host host_{};
  void* instance_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Stage>> Stage::create(std::string name, std::shared_ptr<const Plugin> plugin,
                                             const wm_option_value* values, size_t values_count,
                                             StageLog log) {
  auto stage = std::make_unique<LoadedStage>(std::move(name), std::move(plugin), std::move(log));
  WM_TRY(stage->start(values, values_count));
  return stage;
}

StageMetrics Stage::metrics() const {
  const MutexLock lock(mutex_);
  return metrics_;
}

void Stage::log(uint32_t level, std::string_view message) const {
  if (log_) log_(name_, level, message.substr(0, kLogLineBytesMax));
}

void Stage::count(std::string_view name, uint64_t add) const {
  const MutexLock lock(mutex_);
  metrics_.count(name, add);
}

void Stage::gauge(std::string_view name, double value) const {
  const MutexLock lock(mutex_);
  metrics_.gauge(name, value);
}

void Stage::observe(std::string_view name, double value) const {
  const MutexLock lock(mutex_);
  metrics_.observe(name, value);
}

void Stage::observe(std::string_view name, const Histogram& values) const {
  const MutexLock lock(mutex_);
  metrics_.observe(name, values);
}

}  // namespace wiremill
