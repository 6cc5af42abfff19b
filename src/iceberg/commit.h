#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iceberg/manifest_cache.h"
#include "iceberg/table_metadata.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/object_store.h"

namespace tarn::iceberg {

// What every operation on a table needs. Borrowed; must outlive the call.
struct Workspace {
  store::ObjectStore& store;
  const os::Clock& clock;
  os::Random& random;
  ManifestCache& cache;
};

// A change to the table's files.
struct SnapshotChange {
  std::string operation = "append";        // append, replace, overwrite, delete
  std::vector<DataFile> added;             // data or delete files, of any of the table's specs
  std::vector<std::string> removed_paths;  // data or delete files
  // The rows of the removed files were read without delete files: Conflict if any applies to one.
  bool removed_without_deletes = false;
  Properties summary;  // ours: "tarn.commit-id" and so on; totals are added to it
  // replace only: the data sequence number the added files take over, so that delete files written
  // since the removed files were read still apply. Absent: the new snapshot's.
  std::optional<int64_t> data_sequence_number;
};

// Which snapshots go. The current one and those refs point to always stay; of each branch the
// newest min_to_keep stay, and those younger than max_age_ms, kMaxSnapshots at most (a ref's own
// limits win). Ages hold whatever the clock did meanwhile.
struct ExpirePolicy {
  int64_t max_age_ms = int64_t{2} * 3'600'000;
  int32_t min_to_keep = 10;
};
// More than a commit a second makes in two hours.
inline constexpr int kMaxSnapshots = 10'000;
// In a snapshot's summary: what the clock said, if that is before the snapshot's timestamp, which
// must not be before the last one.
inline constexpr const char* kClockMs = "tarn.clock-ms";

struct PrepareOptions {
  std::optional<ExpirePolicy> expire;  // expire in the same commit
};

// A commit that lacks only the pointer swap. Everything it needs is durable in the store.
struct Prepared {
  TableMetadata metadata;                  // metadata.metadata_location is the new pointer
  std::vector<std::string> files_written;  // URLs: delete them if the swap is known to have failed
  // URLs to delete AFTER the swap is durable (and the readers' grace period is over, if the caller
  // has one): old metadata files, and what expired snapshots alone reached.
  std::vector<std::string> files_unreachable;
};

// Writes manifests, manifest list and metadata.json for `change` on top of `base`. Conflict if a
// removed file is not live in base's current snapshot: reload and decide again. InvalidArgument for
// a change that makes no sense. On error whatever was written is deleted again, if the store lets
// us. To retry after a lost race: delete files_written, load the new base, prepare again.
Result<Prepared> PrepareSnapshot(const Workspace& work, const TableMetadata& base,
                                 const SnapshotChange& change, const PrepareOptions& options);

// Writes metadata.json of `changed` (made from `base` with update.h; base is nullptr at creation).
Result<Prepared> PrepareMetadata(const Workspace& work, const TableMetadata* base,
                                 TableMetadata changed);

// Drops old snapshots. If none is due the answer is nullopt and nothing was written.
Result<std::optional<Prepared>> PrepareExpiry(const Workspace& work, const TableMetadata& base,
                                              const ExpirePolicy& policy);

// Removes what `policy` lets go of from prepared.metadata and adds to prepared.files_unreachable
// what only that reached.
Status Expire(const Workspace& work, const ExpirePolicy& policy, Prepared& prepared);
// The ids that `policy` lets go of at `now_ms`.
std::vector<int64_t> ExpiredSnapshots(const TableMetadata& table, const ExpirePolicy& policy,
                                      int64_t now_ms);
// reachable(before) − reachable(after): data and delete files, manifests, lists, statistics.
Result<std::vector<std::string>> Unreachable(const Workspace& work, const TableMetadata& before,
                                             const TableMetadata& after);

// Everything any snapshot of the table reaches, its metadata files and logged ones included. For
// dropping a table with its data, and for orphan removal.
Result<std::vector<std::string>> Reachable(const Workspace& work, const TableMetadata& table);

Result<TableMetadata> LoadMetadata(const store::ObjectStore& store, const std::string& url);
// Deletes those below the store's base URL; others belong to someone else and are left alone.
Status DeleteFiles(store::ObjectStore& store, const std::vector<std::string>& urls);

// Table properties read here.
inline constexpr std::string_view kMinManifestsToMerge = "commit.manifest.min-count-to-merge";
inline constexpr std::string_view kManifestTargetBytes = "commit.manifest.target-size-bytes";
inline constexpr std::string_view kPreviousVersionsMax = "write.metadata.previous-versions-max";

}  // namespace tarn::iceberg
