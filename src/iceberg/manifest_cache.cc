#include "iceberg/manifest_cache.h"

#include "iceberg/named_object.h"

namespace tarn::iceberg {
namespace {

// About the heap behind a map node or an entry; only the order of magnitude matters.
constexpr uint64_t kNodeBytes = 64;

uint64_t BytesOf(const std::vector<ManifestEntry>& entries) {
  uint64_t bytes = 0;
  for (const auto& entry : entries) {
    const DataFile& file = entry.file;
    const size_t nodes = file.column_sizes.size() + file.value_counts.size() +
                         file.null_value_counts.size() + file.nan_value_counts.size() +
                         2 * (file.lower_bounds.size() + file.upper_bounds.size());
    bytes += sizeof(ManifestEntry) + file.path.size() + nodes * kNodeBytes +
             file.partition.size() * sizeof(Value);
  }
  return bytes;
}

uint64_t BytesOf(const std::vector<ManifestFile>& files) {
  uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += sizeof(ManifestFile) + file.path.size() +
             file.partitions.size() * (sizeof(FieldSummary) + kNodeBytes);
  }
  return bytes;
}

}  // namespace

const ManifestCache::Slot* ManifestCache::Touch(const std::string& path) {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return nullptr;
  slots_.splice(slots_.begin(), slots_, found->second);
  return &slots_.front();
}

void ManifestCache::Keep(Slot slot) {
  slot.bytes += slot.path.size() + sizeof(Slot);
  const os::MutexLock lock(mutex_);
  if (slot.bytes > limit_bytes_ || by_path_.contains(slot.path)) return;
  bytes_ += slot.bytes;
  slots_.push_front(std::move(slot));
  by_path_[slots_.front().path] = slots_.begin();
  while (bytes_ > limit_bytes_) {
    bytes_ -= slots_.back().bytes;
    by_path_.erase(slots_.back().path);
    slots_.pop_back();
  }
}

Result<Entries> ManifestCache::Manifest(const store::ObjectStore& store, const TableMetadata& table,
                                        const ManifestFile& file) {
  {
    const os::MutexLock lock(mutex_);
    const Slot* slot = Touch(file.path);
    if (slot != nullptr && slot->entries != nullptr) return slot->entries;
  }
  TARN_ASSIGN_OR_RETURN(const std::string bytes, GetNamed(store, file.path));
  auto decoded = DecodeManifest(table, file, bytes);
  if (!decoded.ok()) return std::move(decoded).error().In(file.path);
  Entries entries = std::make_shared<const std::vector<ManifestEntry>>(std::move(*decoded));
  Keep({.path = file.path, .bytes = BytesOf(*entries), .entries = entries, .list = nullptr});
  return entries;
}

Result<ManifestList> ManifestCache::List(const store::ObjectStore& store,
                                         const Snapshot& snapshot) {
  {
    const os::MutexLock lock(mutex_);
    const Slot* slot = Touch(snapshot.manifest_list);
    if (slot != nullptr && slot->list != nullptr) return slot->list;
  }
  TARN_ASSIGN_OR_RETURN(const std::string bytes, GetNamed(store, snapshot.manifest_list));
  auto decoded = DecodeManifestList(bytes);
  if (!decoded.ok()) return std::move(decoded).error().In(snapshot.manifest_list);
  ManifestList list = std::make_shared<const std::vector<ManifestFile>>(std::move(*decoded));
  Keep({.path = snapshot.manifest_list, .bytes = BytesOf(*list), .entries = nullptr, .list = list});
  return list;
}

uint64_t ManifestCache::bytes() const {
  const os::MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace tarn::iceberg
