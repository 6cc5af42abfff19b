#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "os/file_system.h"
#include "os/mutex.h"
#include "os/random.h"
#include "store/object_store.h"

namespace tarn::store {

// Objects as files below one folder. A write goes to a temporary in "<root>/.tmp", is synced,
// renamed into place, and the folder (and every folder made for it) is synced before the call
// returns. A crash leaves at most temporaries, which List does not show and Sweep removes; a lock
// "<root>/.tmp/<owner>.owner" says that the store whose temporaries begin with <owner> lives.
// Besides the rules of ObjectStore a key has no NUL byte, no part over 255 bytes and does not start
// with
// ".tmp/"; a key cannot be both an object and a folder of others (InvalidArgument). Folders are
// left in place when their last object goes. Thread-safe; several processes may share a root.
class LocalStore final : public ObjectStore {
 public:
  // `root` must be absolute; it is made if it is not there. `files` and `random` outlive the store.
  ~LocalStore() override;
  static Result<std::unique_ptr<LocalStore>> Open(os::FileSystem& files, os::Random& random,
                                                  const std::string& root);

  Status Put(const std::string& key, std::string_view bytes) override;
  Status PutIfAbsent(const std::string& key, std::string_view bytes) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& key) override;
  // Starts all syncs before it waits for one, and syncs each folder once.
  std::unique_ptr<ObjectBatch> OpenBatch() override;
  Result<std::string> Get(const std::string& key) const override;
  Result<std::string> GetRange(const std::string& key, uint64_t offset, size_t size) const override;
  Result<ObjectInfo> Head(const std::string& key) const override;
  Result<std::vector<ObjectInfo>> List(const std::string& prefix) const override;
  Status Delete(const std::string& key) override;
  const std::string& base_url() const override { return base_url_; }

  // Removes the temporaries of stores that are no more: what a crash left behind. Those of stores
  // that are open, in this process or another, stay. Answers how many went.
  Result<uint64_t> Sweep();

  // Where the object lies; for readers in this process (DuckDB). The key must be valid.
  std::string PathOf(std::string_view key) const;

 private:
  class Writer;
  class Batch;
  enum class Replace : uint8_t { kYes, kNo };

  LocalStore(os::FileSystem& files, os::Random& random, std::string root);
  // For a new object. The first call makes the lock that keeps the temporaries from a Sweep.
  Result<std::string> TemporaryPath();
  std::string OwnerFile(std::string_view owner) const;
  Result<uint64_t> SweepOwner(const std::string& owner, const std::vector<std::string>& names);
  static Status Check(std::string_view key);
  Result<std::unique_ptr<os::File>> OpenObject(const std::string& key) const;
  Status Store(const std::string& key, std::string_view bytes, Replace replace);
  // `published` is set once the temporary is no more, whatever comes after.
  Status Publish(const std::string& temporary, const std::string& key, Replace replace,
                 bool& published);
  // Makes the folder durable, once per store; after that it is remembered.
  Status EnsureFolder(const std::string& path);
  Status ListFolder(const std::string& folder, const std::string& prefix,
                    std::vector<ObjectInfo>& objects) const;

  os::FileSystem& files_;
  os::Random& random_;
  const std::string root_;
  const std::string base_url_;

  os::Mutex owner_mutex_;
  std::string owner_ TARN_GUARDED_BY(owner_mutex_);  // empty: nothing was written yet
  std::unique_ptr<os::FileLock> owner_lock_ TARN_GUARDED_BY(owner_mutex_);

  os::Mutex mutex_;
  std::set<std::string, std::less<>> durable_folders_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::store
