#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "iceberg/commit.h"
#include "iceberg/manifest.h"

namespace tarn::iceberg {

// A manifest on its way into a new snapshot: carried over as it is, or with entries that are still
// to be written.
struct DraftManifest {
  ManifestFile file;                   // carried over; or spec_id and content of what is to come
  std::vector<ManifestEntry> entries;  // empty: carried over
  bool carried() const { return entries.empty(); }
};

struct MergeLimits {
  int64_t min_count = 100;           // of one spec and content; fewer are left alone
  int64_t target_bytes = 8'000'000;  // a manifest of that size is never merged again
};

// Merges small manifests of the same spec and content, so that a snapshot has few. Only manifests
// of similar numbers of entries are put together, as in a log-structured tree: an entry is
// rewritten a logarithmic number of times, not once per merge. Entries of older snapshots become
// EXISTING, their DELETED ones are dropped.
Result<std::vector<DraftManifest>> MergeManifests(const Workspace& work, const TableMetadata& table,
                                                  std::vector<DraftManifest> drafts,
                                                  const MergeLimits& limits);

// A live entry of an older snapshot, as it is written again.
ManifestEntry AsExisting(const ManifestEntry& entry);

}  // namespace tarn::iceberg
