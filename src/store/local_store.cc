#include "store/local_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace tarn::store {
namespace {

constexpr std::string_view kTemporaryFolder = ".tmp";
constexpr std::string_view kOwnerSuffix = ".owner";
constexpr int kMostTries = 100;
constexpr size_t kMostPartBytes = 255;  // NAME_MAX of every Linux file system
constexpr size_t kWriterBufferBytes = 256U << 10;

bool IsTemporary(std::string_view key) {
  return key == kTemporaryFolder || key.starts_with(".tmp/");
}

// What a conflict of names means here: "a" and "a/b" cannot both be objects.
Error AsKeyError(const std::string& key, Error error) {
  if (error.code() != Code::kAlreadyExists && error.code() != Code::kNotFound) return error;
  return InvalidArgument(
      fmt::format("object key '{}': a part of it that must be a folder is an object", key));
}

}  // namespace

// Objects whose files are written but not yet synced, and folders made or changed but not synced.
class LocalStore::Batch final : public ObjectBatch {
 public:
  explicit Batch(LocalStore& store) : store_(store) {}
  ~Batch() override {
    for (const Pending& pending : pending_) {
      // If this fails too, Sweep finds it.
      [[maybe_unused]] const Status removed = store_.files_.Remove(pending.temporary);
    }
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& key) override;
  Status Publish() override;

  // From a writer's Finish. The file stays open: an error of writing it back shows at its sync.
  Status Take(std::string key, std::string temporary, std::unique_ptr<os::File> file) {
    file->StartSync();
    os::MutexLock lock(pending_mutex_);
    pending_.push_back({std::move(key), std::move(temporary), std::move(file)});
    // Other writers wait meanwhile: there are as many files open as there may be.
    return pending_.size() < kMaxOpenFiles ? Status() : SyncPending();
  }

 private:
  static constexpr size_t kMaxOpenFiles = 256;
  struct Pending {
    std::string key;
    std::string temporary;
    std::unique_ptr<os::File> file;
  };

  Status SyncPending() TARN_REQUIRES(pending_mutex_);
  Status MakeFolder(const std::string& path) TARN_REQUIRES(pending_mutex_);

  LocalStore& store_;
  os::Mutex pending_mutex_;
  std::vector<Pending> pending_ TARN_GUARDED_BY(pending_mutex_);
  // Folders to be synced, and those that are durable once these are.
  std::set<std::string> changed_folders_ TARN_GUARDED_BY(pending_mutex_);
  std::set<std::string> made_folders_ TARN_GUARDED_BY(pending_mutex_);
};

// Buffers small writes; the file is a temporary until Finish.
class LocalStore::Writer final : public ObjectWriter {
 public:
  // `batch` is null for an object on its own.
  Writer(LocalStore& store, Batch* batch, std::string key, std::string temporary,
         std::unique_ptr<os::File> file)
      : store_(store),
        batch_(batch),
        key_(std::move(key)),
        temporary_(std::move(temporary)),
        file_(std::move(file)) {}
  ~Writer() override {
    // If this fails too, Sweep finds it.
    if (!published_) [[maybe_unused]]
      const Status removed = store_.files_.Remove(temporary_);
  }

  Status Write(std::string_view bytes) override {
    if (finished_) return InvalidArgument("object '" + key_ + "' is finished");
    if (buffer_.size() + bytes.size() < kWriterBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    TARN_TRY(Flush());
    if (bytes.size() < kWriterBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    TARN_TRY(file_->WriteAt(flushed_, bytes));
    flushed_ += bytes.size();
    return {};
  }

  Status Finish() override { return FinishAs(Replace::kYes); }

  Status FinishAs(Replace replace) {
    if (finished_) return InvalidArgument("object '" + key_ + "' is finished");
    finished_ = true;
    TARN_TRY(Flush());
    if (batch_ != nullptr) {
      published_ = true;  // from here on the temporary is the batch's
      return batch_->Take(key_, temporary_, std::move(file_));
    }
    TARN_TRY(file_->Sync());
    return store_.Publish(temporary_, key_, replace, published_);
  }

  uint64_t written() const override { return flushed_ + buffer_.size(); }

 private:
  Status Flush() {
    if (buffer_.empty()) return {};
    TARN_TRY(file_->WriteAt(flushed_, buffer_));
    flushed_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  LocalStore& store_;
  Batch* const batch_;
  const std::string key_;
  const std::string temporary_;
  std::unique_ptr<os::File> file_;
  std::string buffer_;
  uint64_t flushed_ = 0;
  bool finished_ = false;
  bool published_ = false;
};

LocalStore::LocalStore(os::FileSystem& files, os::Random& random, std::string root)
    : files_(files),
      random_(random),
      root_(std::move(root)),
      base_url_("file://" + EncodeUrlPath(root_)) {}

Result<std::unique_ptr<LocalStore>> LocalStore::Open(os::FileSystem& files, os::Random& random,
                                                     const std::string& root) {
  std::string clean = root;
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  if (clean.size() < 2 || clean.front() != '/')
    return InvalidArgument(
        fmt::format("the object store's folder must be an absolute path, not '{}'", root));
  std::unique_ptr<LocalStore> store(new LocalStore(files, random, std::move(clean)));
  TARN_TRY(files.CreateDirectories(os::JoinPath(store->root_, kTemporaryFolder)));
  // The root may have been made by a process that did not live to sync it.
  TARN_TRY(files.SyncDirectory(os::ParentOf(store->root_)));
  {
    os::MutexLock lock(store->mutex_);
    store->durable_folders_.insert(store->root_);
  }
  return store;
}

std::string LocalStore::PathOf(std::string_view key) const { return os::JoinPath(root_, key); }

LocalStore::~LocalStore() {
  os::MutexLock lock(owner_mutex_);
  if (owner_lock_ == nullptr) return;
  // If this fails, Sweep does it. Removed while it is locked, as Sweep does.
  [[maybe_unused]] const Status removed = files_.Remove(OwnerFile(owner_));
}

std::string LocalStore::OwnerFile(std::string_view owner) const {
  return fmt::format("{}/{}/{}{}", root_, kTemporaryFolder, owner, kOwnerSuffix);
}

Result<std::string> LocalStore::TemporaryPath() {
  os::MutexLock lock(owner_mutex_);
  for (int tries = 0; owner_lock_ == nullptr; ++tries) {
    if (tries == kMostTries) return Unavailable("a sweep takes every temporary's lock away");
    const std::string owner = fmt::format("{:016x}", random_.Next());
    auto owner_lock = files_.Lock(OwnerFile(owner));
    if (!owner_lock.ok()) {
      if (owner_lock.error().code() == Code::kConflict) continue;  // a Sweep looks at it just now
      return std::move(owner_lock).error();
    }
    // A Sweep may have removed it between its making and its locking.
    if (!files_.Exists(OwnerFile(owner))) continue;
    owner_ = owner;
    owner_lock_ = std::move(*owner_lock);
  }
  return fmt::format("{}/{}/{}-{:016x}", root_, kTemporaryFolder, owner_, random_.Next());
}

Status LocalStore::Check(std::string_view key) {
  TARN_TRY(CheckKey(key));
  if (IsTemporary(key))
    return InvalidArgument(fmt::format("object key '{}': '.tmp' is the store's own", key));
  for (size_t at = 0; at < key.size();) {
    const size_t slash = std::min(key.find('/', at), key.size());
    if (slash - at > kMostPartBytes)
      return InvalidArgument(fmt::format("object key '{}' has a part of more than 255 bytes", key));
    at = slash + 1;
  }
  return {};
}

Status LocalStore::EnsureFolder(const std::string& path) {
  {
    os::MutexLock lock(mutex_);
    if (durable_folders_.contains(path)) return {};
  }
  const std::string parent = os::ParentOf(path);
  TARN_TRY(EnsureFolder(parent));
  TARN_TRY(files_.CreateDirectories(path));
  // If it was there already, whoever made it may not have lived to sync it.
  TARN_TRY(files_.SyncDirectory(parent));
  os::MutexLock lock(mutex_);
  durable_folders_.insert(path);
  return {};
}

Result<std::unique_ptr<ObjectWriter>> LocalStore::OpenWriter(const std::string& key) {
  TARN_TRY(Check(key));
  TARN_ASSIGN_OR_RETURN(std::string temporary, TemporaryPath());
  TARN_ASSIGN_OR_RETURN(auto file, files_.Open(temporary, os::OpenMode::kCreateNew));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<Writer>(*this, nullptr, key, std::move(temporary), std::move(file)));
}

std::unique_ptr<ObjectBatch> LocalStore::OpenBatch() { return std::make_unique<Batch>(*this); }

Result<std::unique_ptr<ObjectWriter>> LocalStore::Batch::OpenWriter(const std::string& key) {
  TARN_TRY(Check(key));
  TARN_ASSIGN_OR_RETURN(std::string temporary, store_.TemporaryPath());
  TARN_ASSIGN_OR_RETURN(auto file, store_.files_.Open(temporary, os::OpenMode::kCreateNew));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<Writer>(store_, this, key, std::move(temporary), std::move(file)));
}

Status LocalStore::Batch::SyncPending() {
  for (const Pending& pending : pending_) TARN_TRY(pending.file->Sync());
  while (!pending_.empty()) {
    const Pending& last = pending_.back();
    const std::string path = store_.PathOf(last.key);
    const std::string folder = os::ParentOf(path);
    if (auto made = MakeFolder(folder); !made.ok()) {
      return AsKeyError(last.key, std::move(made).error());
    }
    TARN_TRY(store_.files_.Rename(last.temporary, path));
    changed_folders_.insert(folder);
    pending_.pop_back();
  }
  return {};
}

Status LocalStore::Batch::MakeFolder(const std::string& path) {
  if (made_folders_.contains(path)) return {};
  {
    os::MutexLock lock(store_.mutex_);
    if (store_.durable_folders_.contains(path)) return {};
  }
  const std::string parent = os::ParentOf(path);
  TARN_TRY(MakeFolder(parent));
  TARN_TRY(store_.files_.MakeDirectory(path));
  // If it was there already, whoever made it may not have lived to sync it.
  changed_folders_.insert(parent);
  made_folders_.insert(path);
  return {};
}

Status LocalStore::Batch::Publish() {
  os::MutexLock pending_lock(pending_mutex_);
  TARN_TRY(SyncPending());
  for (const std::string& folder : changed_folders_) {
    TARN_TRY(store_.files_.SyncDirectory(folder));
  }
  changed_folders_.clear();
  os::MutexLock lock(store_.mutex_);
  store_.durable_folders_.insert(made_folders_.begin(), made_folders_.end());
  made_folders_.clear();
  return {};
}

Status LocalStore::Store(const std::string& key, std::string_view bytes, Replace replace) {
  TARN_ASSIGN_OR_RETURN(const auto writer, OpenWriter(key));
  TARN_TRY(writer->Write(bytes));
  return static_cast<Writer&>(*writer).FinishAs(replace);
}

Status LocalStore::Publish(const std::string& temporary, const std::string& key, Replace replace,
                           bool& published) {
  const std::string path = PathOf(key);
  const std::string folder = os::ParentOf(path);
  if (auto made = EnsureFolder(folder); !made.ok()) return AsKeyError(key, std::move(made).error());
  if (const auto there = files_.Stat(path); there.ok() && there->is_directory)
    return InvalidArgument(fmt::format("object key '{}' is a folder of other objects", key));
  if (replace == Replace::kYes) {
    TARN_TRY(files_.Rename(temporary, path));
  } else {
    TARN_TRY(files_.RenameNoReplace(temporary, path));
  }
  published = true;
  return files_.SyncDirectory(folder);
}

Status LocalStore::Put(const std::string& key, std::string_view bytes) {
  return Store(key, bytes, Replace::kYes);
}

Status LocalStore::PutIfAbsent(const std::string& key, std::string_view bytes) {
  auto stored = Store(key, bytes, Replace::kNo);
  if (stored.ok() || stored.error().code() != Code::kAlreadyExists) return stored;
  // The winner may not have synced its name yet; whoever is told of it can rely on it.
  TARN_TRY(files_.SyncDirectory(os::ParentOf(PathOf(key))));
  return AlreadyExists(fmt::format("object '{}' exists", key));
}

Result<std::unique_ptr<os::File>> LocalStore::OpenObject(const std::string& key) const {
  TARN_TRY(Head(key));
  return files_.Open(PathOf(key), os::OpenMode::kRead);
}

Result<std::string> LocalStore::Get(const std::string& key) const {
  TARN_ASSIGN_OR_RETURN(const auto file, OpenObject(key));
  TARN_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return file->ReadAt(0, size);
}

Result<std::string> LocalStore::GetRange(const std::string& key, uint64_t offset,
                                         size_t size) const {
  TARN_ASSIGN_OR_RETURN(const auto file, OpenObject(key));
  TARN_ASSIGN_OR_RETURN(const uint64_t total, file->Size());
  if (offset >= total) return std::string();
  return file->ReadAt(offset, static_cast<size_t>(std::min<uint64_t>(size, total - offset)));
}

Result<ObjectInfo> LocalStore::Head(const std::string& key) const {
  TARN_TRY(Check(key));
  const auto info = files_.Stat(PathOf(key));
  if (!info.ok() && info.error().code() != Code::kNotFound) return info.error();
  if (!info.ok() || info->is_directory)
    return NotFound(fmt::format("there is no object '{}' in {}", key, base_url_));
  return ObjectInfo{.key = key, .size = info->size, .modified = info->modified};
}

Result<std::vector<ObjectInfo>> LocalStore::List(const std::string& prefix) const {
  std::vector<ObjectInfo> objects;
  const size_t slash = prefix.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash);
  if (slash != std::string::npos) TARN_TRY(Check(folder));
  TARN_TRY(ListFolder(folder, prefix, objects));
  std::sort(objects.begin(), objects.end(),
            [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
  return objects;
}

Status LocalStore::ListFolder(const std::string& folder, const std::string& prefix,
                              std::vector<ObjectInfo>& objects) const {
  auto names = files_.List(folder.empty() ? root_ : PathOf(folder));
  if (!names.ok() && names.error().code() == Code::kNotFound) return {};
  if (!names.ok()) return std::move(names).error();
  for (const std::string& name : *names) {
    const std::string key = os::JoinPath(folder, name);
    const size_t common = std::min(key.size(), prefix.size());
    if (IsTemporary(key) || key.compare(0, common, prefix, 0, common) != 0) continue;
    const auto info = files_.Stat(PathOf(key));
    if (!info.ok() && info.error().code() == Code::kNotFound) continue;  // deleted meanwhile
    if (!info.ok()) return info.error();
    if (info->is_directory) {
      TARN_TRY(ListFolder(key, prefix, objects));
    } else if (key.starts_with(prefix)) {
      objects.push_back({.key = key, .size = info->size, .modified = info->modified});
    }
  }
  return {};
}

Status LocalStore::Delete(const std::string& key) {
  TARN_TRY(Check(key));
  const std::string path = PathOf(key);
  const auto info = files_.Stat(path);
  if (info.ok() && info->is_directory) return {};
  if (info.ok()) {
    const Status removed = files_.Remove(path);
    if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
  } else if (info.error().code() != Code::kNotFound) {
    return info.error();
  }
  // Also if it was gone: an earlier Delete may have failed just here.
  Status synced = files_.SyncDirectory(os::ParentOf(path));
  if (!synced.ok() && synced.error().code() == Code::kNotFound) return {};
  return synced;
}

Result<uint64_t> LocalStore::Sweep() {
  TARN_ASSIGN_OR_RETURN(const auto names, files_.List(os::JoinPath(root_, kTemporaryFolder)));
  std::map<std::string, std::vector<std::string>> by_owner;
  for (const std::string& name : names) {
    by_owner[name.substr(0, name.find_first_of("-."))].push_back(name);
  }
  uint64_t removed = 0;
  for (const auto& [owner, of_owner] : by_owner) {
    TARN_ASSIGN_OR_RETURN(const uint64_t count, SweepOwner(owner, of_owner));
    removed += count;
  }
  return removed;
}

Result<uint64_t> LocalStore::SweepOwner(const std::string& owner,
                                        const std::vector<std::string>& names) {
  // An owner makes its lock before anything else, so whoever has none is dead.
  const auto lock = files_.Lock(OwnerFile(owner));
  if (!lock.ok()) {
    if (lock.error().code() == Code::kConflict) return 0;
    return lock.error();
  }
  uint64_t removed = 0;
  for (const std::string& name : names) {
    if (name.ends_with(kOwnerSuffix)) continue;
    const Status status = files_.Remove(os::JoinPath(os::JoinPath(root_, kTemporaryFolder), name));
    if (!status.ok() && status.error().code() != Code::kNotFound) return status.error();
    if (status.ok()) ++removed;
  }
  TARN_TRY(files_.Remove(OwnerFile(owner)));
  return removed;
}

}  // namespace tarn::store
