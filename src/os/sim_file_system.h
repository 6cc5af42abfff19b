#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/file_system.h"
#include "os/mutex.h"
#include "os/random.h"

namespace tarn::os {

// A disk in memory for tests, as unforgiving as the real one may be. What was not synced is lost at
// Crash(), as the seed decides: each unsynced write is kept, dropped, or torn at 512-byte sectors;
// each unsynced change of a folder (create, rename, remove) is kept or dropped by itself. A rename
// is one change: it is never half done. Syncing a file does not make its name durable; syncing the
// folder does. After a failed Sync the bytes stay readable but a later Sync no longer saves them,
// as on Linux. Thread-safe.
class SimFileSystem final : public FileSystem {
 public:
  enum class Call : uint8_t {
    kOpen,
    kRead,
    kWrite,
    kSync,
    kPreallocate,
    kTruncate,
    kStat,
    kList,
    kCreateDirectories,  // MakeDirectory too
    kRename,             // RenameNoReplace too
    kRemove,
    kSyncDirectory,
    kLock,
  };
  static constexpr size_t kCalls = 13;
  static constexpr size_t kSectorBytes = 512;
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  explicit SimFileSystem(uint64_t seed);
  ~SimFileSystem() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& path) const override;
  Status CreateDirectories(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status RenameNoReplace(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveRecursively(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& path) const override;

  // Power cut and restart: drops what was not synced, ends every lock, makes every open File answer
  // Io for ever, forgets faults; calls work again. The seed goes on, so each crash differs.
  void Crash();
  // After `calls` more changing calls (write, sync, rename, …) the power is off: that call and
  // every later one of any kind answers Io until Crash(). The call that fails may have reached the
  // disk in part.
  void PowerOffAfter(uint64_t calls);

  // The `nth` call of this kind from now (1 is the next) and the `count` - 1 after it fail.
  void FailCall(Call call, uint64_t nth, Code code, uint64_t count = 1);
  // Every call of this kind fails until ClearFaults.
  void FailAlways(Call call, Code code) { FailCall(call, 1, code, UINT64_MAX); }
  void ClearFaults();  // a PowerOffAfter still to come, too
  // Writes, preallocations and extensions that would bring the sum of all file sizes over this are
  // ResourceExhausted; a write stores the part that fits first.
  void SetCapacity(uint64_t bytes);
  // Overwrites bytes on the medium itself: bit rot. The range must exist.
  void Damage(const std::string& path, uint64_t offset, std::string_view bytes);

  uint64_t CountOf(Call call) const;  // calls made, failed ones too
  uint64_t ChangingCalls() const;     // what PowerOffAfter counts
  uint64_t UsedBytes() const;

 private:
  struct Node;
  class SimFile;
  class SimLock;
  using NodePtr = std::shared_ptr<Node>;
  struct Fault {
    Call call;
    uint64_t first;
    uint64_t last;
    Code code;
  };
  struct FolderChange {
    NodePtr from_folder;  // null: nothing is taken away
    std::string from_name;
    NodePtr to_folder;  // null: nothing is added
    std::string to_name;
    NodePtr node;
  };

  Status Enter(Call call, const std::string& path) const TARN_REQUIRES(mutex_);
  NodePtr Find(const std::string& path) const TARN_REQUIRES(mutex_);
  Result<std::pair<NodePtr, std::string>> FolderOf(const std::string& path) const
      TARN_REQUIRES(mutex_);
  void Change(FolderChange change) TARN_REQUIRES(mutex_);
  static void ApplyDurably(const FolderChange& change);
  Status RenameLocked(const std::string& from, const std::string& to, bool replace)
      TARN_REQUIRES(mutex_);
  Status Grow(Node& node, uint64_t new_size, const std::string& path) TARN_REQUIRES(mutex_);
  void Restore(const NodePtr& node, std::set<const Node*>& seen) TARN_REQUIRES(mutex_);
  void LoseUnsynced(Node& node) TARN_REQUIRES(mutex_);

  mutable Mutex mutex_;
  mutable SeededRandom random_;
  NodePtr root_ TARN_GUARDED_BY(mutex_);
  std::vector<FolderChange> unsynced_changes_ TARN_GUARDED_BY(mutex_);
  std::set<std::string> locked_ TARN_GUARDED_BY(mutex_);
  std::vector<Fault> faults_ TARN_GUARDED_BY(mutex_);
  mutable std::array<uint64_t, kCalls> counts_ TARN_GUARDED_BY(mutex_){};
  mutable uint64_t changing_calls_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t power_off_at_ TARN_GUARDED_BY(mutex_) = UINT64_MAX;
  mutable bool power_off_ TARN_GUARDED_BY(mutex_) = false;
  uint64_t generation_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t capacity_ TARN_GUARDED_BY(mutex_) = kUnlimited;
  uint64_t used_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t next_inode_ TARN_GUARDED_BY(mutex_) = 1;
};

}  // namespace tarn::os
