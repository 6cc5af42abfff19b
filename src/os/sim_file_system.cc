#include "os/sim_file_system.h"

#include <algorithm>
#include <cstring>

namespace tarn::os {
namespace {

constexpr std::array<std::string_view, SimFileSystem::kCalls> kVerbs = {
    "open", "read",        "write",  "sync",   "reserve space for", "truncate", "stat",
    "list", "make folder", "rename", "remove", "sync folder",       "lock"};

bool IsChanging(SimFileSystem::Call call) {
  using Call = SimFileSystem::Call;
  return call != Call::kRead && call != Call::kStat && call != Call::kList && call != Call::kOpen &&
         call != Call::kLock;
}

Error SimError(SimFileSystem::Call call, const std::string& path, Code code,
               std::string_view reason) {
  std::string message = "cannot ";
  message.append(kVerbs.at(static_cast<size_t>(call))).append(" ").append(path).append(": ");
  return {code, message.append(reason)};
}

std::vector<std::string> PartsOf(const std::string& path) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at < path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") parts.push_back(part);
    at = slash + 1;
  }
  return parts;
}

void StoreAt(std::string& data, uint64_t offset, std::string_view bytes) {
  if (data.size() < offset + bytes.size()) data.resize(offset + bytes.size());
  std::memcpy(data.data() + offset, bytes.data(), bytes.size());
}

}  // namespace

struct SimFileSystem::Node {
  struct Op {
    bool is_resize = false;
    uint64_t offset = 0;  // of a write; the new size of a resize
    std::string bytes;

    void ApplyTo(std::string& content) const {
      if (is_resize) {
        content.resize(offset);
      } else {
        StoreAt(content, offset, bytes);
      }
    }
  };

  bool is_directory = false;
  bool linked = true;
  uint64_t inode = 0;
  uint64_t modified = 0;
  std::string data;     // what a reader sees
  std::string durable;  // what a crash leaves for certain
  std::vector<Op> unsynced;
  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> durable_entries;
};

class SimFileSystem::SimFile final : public File {
 public:
  SimFile(SimFileSystem& fs, std::string path, NodePtr node, bool writable)
      : fs_(fs),
        path_(std::move(path)),
        node_(std::move(node)),
        writable_(writable),
        generation_(fs.generation_) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    std::string bytes(size, '\0');
    TARN_ASSIGN_OR_RETURN(const size_t count, ReadInto(offset, bytes));
    bytes.resize(count);
    return bytes;
  }

  Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const override {
    MutexLock lock(fs_.mutex_);
    TARN_TRY(Enter(Call::kRead));
    const std::string& data = node_->data;
    if (offset >= data.size()) return size_t{0};
    const size_t count = std::min<uint64_t>(buffer.size(), data.size() - offset);
    std::memcpy(buffer.data(), data.data() + offset, count);
    return count;
  }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    MutexLock lock(fs_.mutex_);
    const bool was_off = fs_.power_off_;
    const Status entered = Enter(Call::kWrite);
    // The write during which the power went may have reached the medium in part.
    if (!entered.ok() && (was_off || !fs_.power_off_)) return entered;
    if (!writable_) return SimError(Call::kWrite, path_, Code::kIo, "opened for reading");
    std::string_view fits = bytes;
    const uint64_t old_size = node_->data.size();
    if (offset + bytes.size() > old_size) {
      const uint64_t room = fs_.capacity_ - std::min(fs_.capacity_, fs_.used_);
      const uint64_t limit = room > kUnlimited - old_size ? kUnlimited : old_size + room;
      fits = bytes.substr(0, limit > offset ? std::min<uint64_t>(limit - offset, bytes.size()) : 0);
      if (!fits.empty() && offset + fits.size() > old_size)
        TARN_TRY(fs_.Grow(*node_, offset + fits.size(), path_));
    }
    if (!fits.empty()) {
      StoreAt(node_->data, offset, fits);
      node_->unsynced.push_back({.is_resize = false, .offset = offset, .bytes = std::string(fits)});
      node_->modified = fs_.changing_calls_;
    }
    if (!entered.ok()) return entered;
    if (fits.size() == bytes.size()) return {};
    return SimError(Call::kWrite, path_, Code::kResourceExhausted, "no space left on device");
  }

  Status Sync() override {
    MutexLock lock(fs_.mutex_);
    if (auto entered = Enter(Call::kSync); !entered.ok()) {
      // The kernel marks the pages clean: whatever did not reach the medium never will.
      if (!fs_.power_off_ && generation_ == fs_.generation_) fs_.LoseUnsynced(*node_);
      return entered;
    }
    for (const auto& op : node_->unsynced) op.ApplyTo(node_->durable);
    node_->unsynced.clear();
    return {};
  }

  Status Preallocate(uint64_t size) override {
    MutexLock lock(fs_.mutex_);
    TARN_TRY(Enter(Call::kPreallocate));
    if (size <= node_->data.size()) return {};
    return Resize(size);
  }

  Status Truncate(uint64_t size) override {
    MutexLock lock(fs_.mutex_);
    TARN_TRY(Enter(Call::kTruncate));
    return Resize(size);
  }

  Result<uint64_t> Size() const override {
    MutexLock lock(fs_.mutex_);
    TARN_TRY(Enter(Call::kStat));
    return uint64_t{node_->data.size()};
  }

 private:
  Status Enter(Call call) const TARN_REQUIRES(fs_.mutex_) {
    if (generation_ != fs_.generation_)
      return SimError(call, path_, Code::kIo, "the disk crashed while the file was open");
    return fs_.Enter(call, path_);
  }

  Status Resize(uint64_t size) TARN_REQUIRES(fs_.mutex_) {
    TARN_TRY(fs_.Grow(*node_, size, path_));
    node_->data.resize(size);
    node_->unsynced.push_back({.is_resize = true, .offset = size, .bytes = {}});
    node_->modified = fs_.changing_calls_;
    return {};
  }

  SimFileSystem& fs_;
  const std::string path_;
  const NodePtr node_;
  const bool writable_;
  const uint64_t generation_;
};

class SimFileSystem::SimLock final : public FileLock {
 public:
  SimLock(SimFileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)), generation_(fs.generation_) {}
  ~SimLock() override {
    MutexLock lock(fs_.mutex_);
    if (generation_ == fs_.generation_) fs_.locked_.erase(path_);
  }

 private:
  SimFileSystem& fs_;
  const std::string path_;
  const uint64_t generation_;
};

SimFileSystem::SimFileSystem(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->is_directory = true;
}

SimFileSystem::~SimFileSystem() = default;

Status SimFileSystem::Enter(Call call, const std::string& path) const {
  const uint64_t count = ++counts_.at(static_cast<size_t>(call));
  if (power_off_) return SimError(call, path, Code::kIo, "the power is off");
  if (IsChanging(call) && ++changing_calls_ >= power_off_at_) {
    power_off_ = true;
    return SimError(call, path, Code::kIo, "the power went off");
  }
  for (const Fault& fault : faults_) {
    if (fault.call == call && fault.first <= count && count <= fault.last)
      return SimError(call, path, fault.code, "fault on demand");
  }
  return {};
}

SimFileSystem::NodePtr SimFileSystem::Find(const std::string& path) const {
  NodePtr node = root_;
  for (const std::string& part : PartsOf(path)) {
    const auto entry = node->entries.find(part);
    if (entry == node->entries.end()) return nullptr;
    node = entry->second;
  }
  return node;
}

Result<std::pair<SimFileSystem::NodePtr, std::string>> SimFileSystem::FolderOf(
    const std::string& path) const {
  const auto parts = PartsOf(path);
  if (parts.empty()) return InvalidArgument("the root folder cannot be changed");
  NodePtr folder = Find(ParentOf(path));
  if (folder == nullptr || !folder->is_directory)
    return NotFound("cannot find the folder of " + path);
  return std::pair{std::move(folder), parts.back()};
}

void SimFileSystem::Change(FolderChange change) {
  if (change.from_folder != nullptr) change.from_folder->entries.erase(change.from_name);
  const auto unlink = [&](Node& node) {
    if (node.linked) used_ -= node.data.size();
    node.linked = false;
  };
  if (change.to_folder != nullptr) {
    auto& slot = change.to_folder->entries[change.to_name];
    if (slot != nullptr && slot != change.node) unlink(*slot);
    slot = change.node;
  } else {
    unlink(*change.node);
  }
  unsynced_changes_.push_back(std::move(change));
}

void SimFileSystem::ApplyDurably(const FolderChange& change) {
  if (change.from_folder != nullptr) {
    auto& entries = change.from_folder->durable_entries;
    const auto entry = entries.find(change.from_name);
    if (entry != entries.end() && entry->second == change.node) entries.erase(entry);
  }
  if (change.to_folder != nullptr) change.to_folder->durable_entries[change.to_name] = change.node;
}

Result<std::unique_ptr<File>> SimFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kOpen, path));
  NodePtr node = Find(path);
  if (node != nullptr && (mode == OpenMode::kCreateNew || mode == OpenMode::kCreateNewPrivate))
    return SimError(Call::kOpen, path, Code::kAlreadyExists, "file exists");
  if (node != nullptr && node->is_directory)
    return SimError(Call::kOpen, path, Code::kIo, "is a directory");
  if (node == nullptr) {
    if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite)
      return SimError(Call::kOpen, path, Code::kNotFound, "no such file or directory");
    TARN_ASSIGN_OR_RETURN(const auto place, FolderOf(path));
    node = std::make_shared<Node>();
    node->inode = next_inode_++;
    node->modified = changing_calls_;
    Change({.to_folder = place.first, .to_name = place.second, .node = node});
  }
  return std::unique_ptr<File>(
      std::make_unique<SimFile>(*this, path, node, mode != OpenMode::kRead));
}

Result<FileInfo> SimFileSystem::Stat(const std::string& path) const {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kStat, path));
  const NodePtr node = Find(path);
  if (node == nullptr)
    return SimError(Call::kStat, path, Code::kNotFound, "no such file or directory");
  return FileInfo{.size = node->data.size(),
                  .is_directory = node->is_directory,
                  .modified = {static_cast<int64_t>(node->modified)},
                  .device = 1,
                  .inode = node->inode};
}

Result<std::vector<std::string>> SimFileSystem::List(const std::string& path) const {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kList, path));
  const NodePtr node = Find(path);
  if (node == nullptr || !node->is_directory)
    return SimError(Call::kList, path, Code::kNotFound, "no such file or directory");
  std::vector<std::string> names;
  for (const auto& entry : node->entries) names.push_back(entry.first);
  return names;
}

Status SimFileSystem::CreateDirectories(const std::string& path) {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kCreateDirectories, path));
  NodePtr node = root_;
  for (const std::string& part : PartsOf(path)) {
    NodePtr& entry = node->entries[part];
    if (entry == nullptr) {
      entry = std::make_shared<Node>();
      entry->is_directory = true;
      entry->inode = next_inode_++;
      node->durable_entries[part] = entry;
    } else if (!entry->is_directory) {
      return SimError(Call::kCreateDirectories, path, Code::kAlreadyExists,
                      "a file of that name is there");
    }
    node = entry;
  }
  return {};
}

Status SimFileSystem::MakeDirectory(const std::string& path) {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kCreateDirectories, path));
  if (const NodePtr there = Find(path); there != nullptr) {
    if (there->is_directory) return {};
    return SimError(Call::kCreateDirectories, path, Code::kAlreadyExists,
                    "a file of that name is there");
  }
  TARN_ASSIGN_OR_RETURN(const auto place, FolderOf(path));
  const NodePtr node = std::make_shared<Node>();
  node->is_directory = true;
  node->inode = next_inode_++;
  Change({.to_folder = place.first, .to_name = place.second, .node = node});
  return {};
}

Status SimFileSystem::RenameLocked(const std::string& from, const std::string& to, bool replace) {
  const bool was_off = power_off_;
  const Status entered = Enter(Call::kRename, from + " to " + to);
  if (!entered.ok() && (was_off || !power_off_)) return entered;
  const NodePtr node = Find(from);
  if (node == nullptr)
    return SimError(Call::kRename, from, Code::kNotFound, "no such file or directory");
  TARN_ASSIGN_OR_RETURN(const auto source, FolderOf(from));
  TARN_ASSIGN_OR_RETURN(const auto target, FolderOf(to));
  const NodePtr there = Find(to);
  if (there != nullptr && (!replace || there->is_directory))
    return SimError(Call::kRename, from + " to " + to, replace ? Code::kIo : Code::kAlreadyExists,
                    "file exists");
  if (there == node) return entered;
  Change({.from_folder = source.first,
          .from_name = source.second,
          .to_folder = target.first,
          .to_name = target.second,
          .node = node});
  return entered;
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  return RenameLocked(from, to, true);
}

Status SimFileSystem::RenameNoReplace(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  return RenameLocked(from, to, false);
}

Status SimFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  const bool was_off = power_off_;
  const Status entered = Enter(Call::kRemove, path);
  if (!entered.ok() && (was_off || !power_off_)) return entered;
  const NodePtr node = Find(path);
  if (node == nullptr)
    return SimError(Call::kRemove, path, Code::kNotFound, "no such file or directory");
  if (!node->entries.empty())
    return SimError(Call::kRemove, path, Code::kIo, "directory not empty");
  TARN_ASSIGN_OR_RETURN(const auto place, FolderOf(path));
  Change({.from_folder = place.first, .from_name = place.second, .node = node});
  return entered;
}

Status SimFileSystem::RemoveRecursively(const std::string& path) {
  std::vector<std::string> names;
  if (const auto info = Stat(path); !info.ok()) {
    if (info.error().code() == Code::kNotFound) return {};
    return info.error();
  } else if (info->is_directory) {
    TARN_ASSIGN_OR_RETURN(names, List(path));
  }
  for (const std::string& name : names) TARN_TRY(RemoveRecursively(JoinPath(path, name)));
  return Remove(path);
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kSyncDirectory, path));
  const NodePtr folder = Find(path);
  if (folder == nullptr || !folder->is_directory)
    return SimError(Call::kSyncDirectory, path, Code::kNotFound, "no such file or directory");
  // What happened to a file before a change that is now durable is part of it.
  std::set<const Node*> saved;
  for (const FolderChange& change : unsynced_changes_) {
    if (change.from_folder == folder || change.to_folder == folder) saved.insert(change.node.get());
  }
  std::vector<FolderChange> left;
  for (FolderChange& change : unsynced_changes_) {
    if (saved.contains(change.node.get())) {
      ApplyDurably(change);
    } else {
      left.push_back(std::move(change));
    }
  }
  unsynced_changes_ = std::move(left);
  return {};
}

Result<std::unique_ptr<FileLock>> SimFileSystem::Lock(const std::string& path) {
  {
    MutexLock lock(mutex_);
    TARN_TRY(Enter(Call::kLock, path));
    if (locked_.contains(path)) return Conflict(path + " is locked by another process");
  }
  TARN_TRY(Open(path, OpenMode::kCreate));
  MutexLock lock(mutex_);
  if (!locked_.insert(path).second) return Conflict(path + " is locked by another process");
  return std::unique_ptr<FileLock>(std::make_unique<SimLock>(*this, path));
}

Result<uint64_t> SimFileSystem::FreeBytes(const std::string& path) const {
  MutexLock lock(mutex_);
  TARN_TRY(Enter(Call::kStat, path));
  return capacity_ - std::min(capacity_, used_);
}

Status SimFileSystem::Grow(Node& node, uint64_t new_size, const std::string& path) {
  if (!node.linked) return {};
  const uint64_t old_size = node.data.size();
  if (new_size > old_size && new_size - old_size > capacity_ - std::min(capacity_, used_)) {
    return SimError(Call::kPreallocate, path, Code::kResourceExhausted, "no space left on device");
  }
  used_ = used_ - old_size + new_size;
  return {};
}

// Settles what the unsynced operations of a file left on the medium.
void SimFileSystem::LoseUnsynced(Node& node) {
  const uint64_t mood = random_.Below(4);  // all lost, all kept, or each as it comes
  for (auto& op : node.unsynced) {
    const uint64_t fate = mood == 0 ? 0 : (mood == 1 ? 1 : random_.Below(3));
    if (fate == 0) continue;
    if (fate == 1 || op.is_resize) {
      op.ApplyTo(node.durable);
      continue;
    }
    // Torn: each sector by itself.
    for (uint64_t at = 0; at < op.bytes.size();) {
      const uint64_t sector_end = ((op.offset + at) / kSectorBytes + 1) * kSectorBytes;
      const uint64_t size = std::min(sector_end - op.offset - at, op.bytes.size() - at);
      if (random_.Below(2) == 0)
        StoreAt(node.durable, op.offset + at, std::string_view(op.bytes).substr(at, size));
      at += size;
    }
  }
  node.unsynced.clear();
}

void SimFileSystem::Restore(const NodePtr& node, std::set<const Node*>& seen) {
  if (!seen.insert(node.get()).second) return;
  node->linked = true;
  if (!node->is_directory) {
    LoseUnsynced(*node);
    node->data = node->durable;
    used_ += node->data.size();
    return;
  }
  node->entries = node->durable_entries;
  for (const auto& entry : node->entries) Restore(entry.second, seen);
}

void SimFileSystem::Crash() {
  MutexLock lock(mutex_);
  const uint64_t mood = random_.Below(4);
  for (const FolderChange& change : unsynced_changes_) {
    if (mood == 0 || (mood > 1 && random_.Below(2) == 0)) continue;
    if (change.from_folder != nullptr) {
      // A later change cannot have happened without the earlier one it builds on.
      const auto& entries = change.from_folder->durable_entries;
      const auto entry = entries.find(change.from_name);
      if (entry == entries.end() || entry->second != change.node) continue;
    }
    ApplyDurably(change);
  }
  unsynced_changes_.clear();
  ++generation_;
  locked_.clear();
  faults_.clear();
  power_off_ = false;
  power_off_at_ = UINT64_MAX;
  used_ = 0;
  std::set<const Node*> seen;
  Restore(root_, seen);
}

void SimFileSystem::PowerOffAfter(uint64_t calls) {
  MutexLock lock(mutex_);
  power_off_at_ = changing_calls_ + calls + 1;
}

void SimFileSystem::FailCall(Call call, uint64_t nth, Code code, uint64_t count) {
  MutexLock lock(mutex_);
  const uint64_t first = counts_.at(static_cast<size_t>(call)) + nth;
  const uint64_t last = count - 1 > UINT64_MAX - first ? UINT64_MAX : first + count - 1;
  faults_.push_back({.call = call, .first = first, .last = last, .code = code});
}

void SimFileSystem::ClearFaults() {
  MutexLock lock(mutex_);
  faults_.clear();
  power_off_at_ = UINT64_MAX;
}

void SimFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_ = bytes;
}

void SimFileSystem::Damage(const std::string& path, uint64_t offset, std::string_view bytes) {
  MutexLock lock(mutex_);
  const NodePtr node = Find(path);
  TARN_CHECK(node != nullptr && offset + bytes.size() <= node->data.size());
  StoreAt(node->data, offset, bytes);
  StoreAt(node->durable, offset, bytes);
}

uint64_t SimFileSystem::CountOf(Call call) const {
  MutexLock lock(mutex_);
  return counts_.at(static_cast<size_t>(call));
}

uint64_t SimFileSystem::ChangingCalls() const {
  MutexLock lock(mutex_);
  return changing_calls_;
}

uint64_t SimFileSystem::UsedBytes() const {
  MutexLock lock(mutex_);
  return used_;
}

}  // namespace tarn::os
