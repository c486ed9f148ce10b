// The tests' file system: daemon/log/memory_file_system.hpp.
#include "daemon/log/memory_file_system.hpp"

#include <algorithm>
#include <cstring>

namespace wiremill {
namespace {

constexpr size_t kSectorBytes = 512;

void write_into(std::string& contents, size_t at, std::string_view bytes) {
  if (contents.size() < at + bytes.size()) contents.resize(at + bytes.size());
  std::memcpy(contents.data() + at, bytes.data(), bytes.size());
}

}  // namespace

class MemoryFileSystem::MemoryFile final : public File {
 public:
  MemoryFile(MemoryFileSystem& files, std::string path, size_t node)
      : files_(files), path_(std::move(path)), node_(node) {}

  Status write_at(int64_t offset, std::string_view bytes) override {
    WM_TRY(files_.pass_gate(Kind::Write, path_));
    const MutexLock lock(files_.mutex_);
    write_into(files_.nodes_[node_], static_cast<size_t>(offset), bytes);
    files_.operations_.push_back({.kind = Kind::Write,
                                  .node = node_,
                                  .at = offset,
                                  .bytes = std::string(bytes),
                                  .from = path_,
                                  .to = {}});
    return {};
  }

  Result<size_t> read_at(int64_t offset, char* into, size_t size) const override {
    const MutexLock lock(files_.mutex_);
    const std::string& contents = files_.nodes_[node_];
    const auto at = static_cast<size_t>(offset);
    if (at >= contents.size()) return 0;
    return contents.copy(into, size, at);
  }

  Status sync() override {
    WM_TRY(files_.pass_gate(Kind::Sync, path_));
    const MutexLock lock(files_.mutex_);
    files_.operations_.push_back(
        {.kind = Kind::Sync, .node = node_, .at = 0, .bytes = {}, .from = path_, .to = {}});
    return {};
  }

  Status allocate(int64_t size) override { return truncate(size); }

  Status truncate(int64_t size) override {
    WM_TRY(files_.pass_gate(Kind::Resize, path_));
    const MutexLock lock(files_.mutex_);
    files_.nodes_[node_].resize(static_cast<size_t>(size));
    files_.operations_.push_back(
        {.kind = Kind::Resize, .node = node_, .at = size, .bytes = {}, .from = path_, .to = {}});
    return {};
  }

  Result<int64_t> size() const override {
    const MutexLock lock(files_.mutex_);
    return static_cast<int64_t>(files_.nodes_[node_].size());
  }

 private:
  MemoryFileSystem& files_;
  const std::string path_;
  const size_t node_;
};

class MemoryFileSystem::MemoryLock final : public FileLock {
 public:
  MemoryLock(MemoryFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  ~MemoryLock() override {
    const MutexLock lock(files_.mutex_);
    files_.locks_.erase(path_);
  }

 private:
  MemoryFileSystem& files_;
  const std::string path_;
};

void MemoryFileSystem::set_gate(Gate gate) {
  const MutexLock lock(mutex_);
  gate_ = std::move(gate);
}

Status MemoryFileSystem::pass_gate(Kind kind, const std::string& path) const {
  Gate gate;
  {
    const MutexLock lock(mutex_);
    gate = gate_;
  }
  return gate ? gate(kind, path) : Status{};
}

size_t MemoryFileSystem::operations() const {
  const MutexLock lock(mutex_);
  return operations_.size();
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::power_cut(size_t count,
                                                              std::mt19937_64& random) const {
  const MutexLock lock(mutex_);
  struct Node {
    std::string synced;
    std::vector<const Operation*> unsynced;
  };
  std::map<size_t, Node> nodes;
  std::map<std::string, size_t> synced_names;
  std::vector<const Operation*> directory_changes;
  const auto change_directory = [&](const Operation& operation) {
    if (operation.kind == Kind::Open) synced_names[operation.from] = operation.node;
    if (operation.kind == Kind::Remove) synced_names.erase(operation.from);
    if (operation.kind != Kind::Rename) return;
    synced_names[operation.to] = synced_names[operation.from];
    synced_names.erase(operation.from);
  };
  const auto apply = [](std::string& contents, const Operation& operation) {
    if (operation.kind == Kind::Write)
      write_into(contents, static_cast<size_t>(operation.at), operation.bytes);
    else
      contents.resize(static_cast<size_t>(operation.at));
  };

  for (size_t i = 0; i < count; ++i) {
    const Operation& operation = operations_[i];
    switch (operation.kind) {
      case Kind::Open:
      case Kind::Rename:
      case Kind::Remove: directory_changes.push_back(&operation); break;
      case Kind::SyncDirectory:
        for (const Operation* change : directory_changes) change_directory(*change);
        directory_changes.clear();
        break;
      case Kind::Sync:
        for (const Operation* change : nodes[operation.node].unsynced)
          apply(nodes[operation.node].synced, *change);
        nodes[operation.node].unsynced.clear();
        break;
      case Kind::Write:
      case Kind::Resize: nodes[operation.node].unsynced.push_back(&operation); break;
    }
  }

  const size_t changes_kept =
      std::uniform_int_distribution<size_t>(0, directory_changes.size())(random);
  for (size_t i = 0; i < changes_kept; ++i) change_directory(*directory_changes[i]);

  auto image = std::make_unique<MemoryFileSystem>();
  const MutexLock image_lock(image->mutex_);
  for (const auto& [name, index] : synced_names) {
    const Node& node = nodes[index];
    std::string contents = node.synced;
    // Nothing, everything, or each sector by chance.
    const auto kept = std::uniform_int_distribution<uint64_t>(0, 4)(random);
    for (const Operation* change : node.unsynced) {
      if (kept == 0 || (kept < 4 && change->kind == Kind::Resize && random() % 4 < kept)) continue;
      if (kept == 4 || change->kind == Kind::Resize) {
        apply(contents, *change);
        continue;
      }
      const std::string_view bytes = change->bytes;
      for (size_t done = 0; done < bytes.size();) {
        const size_t at = static_cast<size_t>(change->at) + done;
        const size_t step = std::min(kSectorBytes - at % kSectorBytes, bytes.size() - done);
        if (random() % 4 < kept) write_into(contents, at, bytes.substr(done, step));
        done += step;
      }
    }
    image->names_[name] = image->nodes_.size();
    image->nodes_.push_back(std::move(contents));
    // The image begins with everything synced.
    const size_t id = image->nodes_.size() - 1;
    image->operations_.push_back(
        {.kind = Kind::Open, .node = id, .at = 0, .bytes = {}, .from = name, .to = {}});
    image->operations_.push_back({.kind = Kind::Write,
                                  .node = id,
                                  .at = 0,
                                  .bytes = image->nodes_[id],
                                  .from = name,
                                  .to = {}});
    image->operations_.push_back(
        {.kind = Kind::Sync, .node = id, .at = 0, .bytes = {}, .from = name, .to = {}});
  }
  image->operations_.push_back(
      {.kind = Kind::SyncDirectory, .node = 0, .at = 0, .bytes = {}, .from = {}, .to = {}});
  return image;
}

std::string MemoryFileSystem::contents(const std::string& path) const {
  const MutexLock lock(mutex_);
  return nodes_[names_.at(path)];
}

void MemoryFileSystem::set_contents(const std::string& path, std::string bytes) {
  const MutexLock lock(mutex_);
  const auto [name, added] = names_.try_emplace(path, nodes_.size());
  if (added) nodes_.emplace_back();
  nodes_[name->second] = std::move(bytes);
}

Status MemoryFileSystem::make_directory(const std::string&) { return {}; }

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& directory) {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_)
    if (path.starts_with(directory + '/')) names.push_back(path.substr(directory.size() + 1));
  return names;
}

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  WM_TRY(pass_gate(Kind::Open, path));
  const MutexLock lock(mutex_);
  if (mode == OpenMode::Create) {
    names_[path] = nodes_.size();
    operations_.push_back(
        {.kind = Kind::Open, .node = nodes_.size(), .at = 0, .bytes = {}, .from = path, .to = {}});
    nodes_.emplace_back();
  }
  const auto name = names_.find(path);
  if (name == names_.end()) return fail(ErrorCode::NotFound, "no {}", path);
  return std::make_unique<MemoryFile>(*this, path, name->second);
}

Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  WM_TRY(pass_gate(Kind::Rename, from));
  const MutexLock lock(mutex_);
  const auto name = names_.find(from);
  if (name == names_.end()) return fail(ErrorCode::Io, "cannot rename {}: no such file", from);
  names_[to] = name->second;
  names_.erase(from);
  operations_.push_back(
      {.kind = Kind::Rename, .node = 0, .at = 0, .bytes = {}, .from = from, .to = to});
  return {};
}

Status MemoryFileSystem::remove(const std::string& path) {
  WM_TRY(pass_gate(Kind::Remove, path));
  const MutexLock lock(mutex_);
  if (names_.erase(path) == 0) return {};
  operations_.push_back(
      {.kind = Kind::Remove, .node = 0, .at = 0, .bytes = {}, .from = path, .to = {}});
  return {};
}

Status MemoryFileSystem::sync_directory(const std::string& path) {
  WM_TRY(pass_gate(Kind::SyncDirectory, path));
  const MutexLock lock(mutex_);
  operations_.push_back(
      {.kind = Kind::SyncDirectory, .node = 0, .at = 0, .bytes = {}, .from = path, .to = {}});
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& path) {
  const MutexLock lock(mutex_);
  if (!locks_.insert(path).second) return fail(ErrorCode::Locked, "{} is held", path);
  return std::make_unique<MemoryLock>(*this, path);
}

}  // namespace wiremill
