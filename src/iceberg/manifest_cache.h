#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "iceberg/manifest.h"
#include "os/mutex.h"
#include "store/object_store.h"

namespace tarn::iceberg {

using Entries = std::shared_ptr<const std::vector<ManifestEntry>>;
using ManifestList = std::shared_ptr<const std::vector<ManifestFile>>;

// Reads manifests and manifest lists, and keeps the most recently used ones parsed: they never
// change. Thread-safe; no lock is held over I/O.
class ManifestCache {
 public:
  // About how much memory the parsed manifests may take. 0 keeps none.
  explicit ManifestCache(uint64_t limit_bytes = 64'000'000) : limit_bytes_(limit_bytes) {}

  Result<Entries> Manifest(const store::ObjectStore& store, const TableMetadata& table,
                           const ManifestFile& file);
  Result<ManifestList> List(const store::ObjectStore& store, const Snapshot& snapshot);

  uint64_t bytes() const;

 private:
  struct Slot {
    std::string path;
    uint64_t bytes = 0;
    Entries entries;
    ManifestList list;
  };
  const Slot* Touch(const std::string& path) TARN_REQUIRES(mutex_);
  void Keep(Slot slot);

  const uint64_t limit_bytes_;
  mutable os::Mutex mutex_;
  std::list<Slot> slots_ TARN_GUARDED_BY(mutex_);  // most recently used first
  std::unordered_map<std::string, std::list<Slot>::iterator> by_path_ TARN_GUARDED_BY(mutex_);
  uint64_t bytes_ TARN_GUARDED_BY(mutex_) = 0;
};

}  // namespace tarn::iceberg
