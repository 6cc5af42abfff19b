#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/text.h"
#include "iceberg/commit.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

using PathSet = std::unordered_set<std::string>;

// What the clock said at the commit.
int64_t ClockMs(const Snapshot& snapshot) {
  const auto own = snapshot.summary.find(kClockMs);
  if (own == snapshot.summary.end()) return snapshot.timestamp_ms;
  return ParseInt64(own->second).value_or(snapshot.timestamp_ms);
}

// A branch from its head back.
std::vector<const Snapshot*> BranchOf(const TableMetadata& table, const SnapshotRef& ref) {
  std::vector<const Snapshot*> branch;
  const Snapshot* snapshot = table.FindSnapshot(ref.snapshot_id);
  // The count bounds the walk even if parents form a circle.
  while (snapshot != nullptr && branch.size() < table.snapshots.size()) {
    branch.push_back(snapshot);
    snapshot = snapshot->parent_id ? table.FindSnapshot(*snapshot->parent_id) : nullptr;
  }
  return branch;
}

// When each was committed, by the clock of today, even if the clock stood elsewhere for a while.
// What was committed under a clock that stood in the past is not older than what it followed. What
// comes from the future has no age: it was current until the next one was committed, so it is as
// old as that one; without a next one, nothing is known and nothing goes.
std::vector<int64_t> TimesOf(const std::vector<const Snapshot*>& branch, int64_t now_ms) {
  std::vector<int64_t> times(branch.size());
  int64_t latest = INT64_MIN;
  for (size_t i = branch.size(); i-- > 0;) {
    const int64_t own = ClockMs(*branch[i]);
    if (own <= now_ms) latest = std::max(latest, own);
    times[i] = own <= now_ms ? latest : own;
  }
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] > now_ms) times[i] = i == 0 ? now_ms : times[i - 1];
  }
  return times;
}

void KeepBranch(const TableMetadata& table, const SnapshotRef& ref, const ExpirePolicy& policy,
                int64_t now_ms, std::set<int64_t>& kept) {
  const int64_t max_age_ms = ref.max_snapshot_age_ms.value_or(policy.max_age_ms);
  const auto min_to_keep =
      static_cast<size_t>(std::max(1, ref.min_snapshots_to_keep.value_or(policy.min_to_keep)));
  // A clock that is set back at every start never comes to an age.
  const size_t max_to_keep =
      ref.max_snapshot_age_ms ? table.snapshots.size() : size_t{kMaxSnapshots};
  const std::vector<const Snapshot*> branch = BranchOf(table, ref);
  const std::vector<int64_t> times = TimesOf(branch, now_ms);
  for (size_t i = 0; i < branch.size(); ++i) {
    const bool young = now_ms - times[i] <= max_age_ms && i < max_to_keep;
    if (i >= min_to_keep && !young) return;
    kept.insert(branch[i]->id);
  }
}

// Every snapshot on the way back from some ref.
std::set<int64_t> Ancestors(const TableMetadata& table) {
  std::set<int64_t> ids;
  for (const auto& [name, ref] : table.refs) {
    const Snapshot* snapshot = table.FindSnapshot(ref.snapshot_id);
    while (snapshot != nullptr && ids.insert(snapshot->id).second) {
      snapshot = snapshot->parent_id ? table.FindSnapshot(*snapshot->parent_id) : nullptr;
    }
  }
  return ids;
}

bool RefIsDue(const TableMetadata& table, const SnapshotRef& ref, int64_t now_ms) {
  const Snapshot* snapshot = table.FindSnapshot(ref.snapshot_id);
  return ref.max_ref_age_ms && snapshot != nullptr &&
         now_ms - snapshot->timestamp_ms > *ref.max_ref_age_ms;
}

// A snapshot's manifests. One whose list is gone already (a deletion that was cut short) has
// nothing left to find.
Result<ManifestList> ListOrNothing(const Workspace& work, const Snapshot& snapshot) {
  auto list = work.cache.List(work.store, snapshot);
  if (!list.ok() && list.error().code() == Code::kNotFound) {
    return ManifestList(std::make_shared<const std::vector<ManifestFile>>());
  }
  return list;
}

Result<Entries> EntriesOrNothing(const Workspace& work, const TableMetadata& table,
                                 const ManifestFile& file) {
  auto entries = work.cache.Manifest(work.store, table, file);
  if (!entries.ok() && entries.error().code() == Code::kNotFound) {
    return Entries(std::make_shared<const std::vector<ManifestEntry>>());
  }
  return entries;
}

// Takes off `candidates` what live entries of the kept manifests still name.
Status SubtractKept(const Workspace& work, const TableMetadata& after, PathSet& candidates) {
  PathSet seen;
  for (auto snapshot = after.snapshots.rbegin(); snapshot != after.snapshots.rend(); ++snapshot) {
    TARN_ASSIGN_OR_RETURN(const ManifestList list, work.cache.List(work.store, *snapshot));
    for (const auto& manifest : *list) {
      if (candidates.empty()) return {};
      if (manifest.live_files() == 0 || !seen.insert(manifest.path).second) continue;
      TARN_ASSIGN_OR_RETURN(const Entries entries,
                            work.cache.Manifest(work.store, after, manifest));
      for (const auto& entry : *entries) {
        if (entry.live()) candidates.erase(entry.file.path);
      }
    }
  }
  return {};
}

void StatisticsPaths(const codec::Json& statistics, PathSet& out) {
  if (statistics.AsArray() == nullptr) return;
  for (const auto& item : *statistics.AsArray()) {
    auto path = item.GetString("statistics-path");
    if (path.ok()) out.insert(std::move(*path));
  }
}

PathSet StatisticsPaths(const TableMetadata& table) {
  PathSet paths;
  StatisticsPaths(table.statistics, paths);
  StatisticsPaths(table.partition_statistics, paths);
  return paths;
}

}  // namespace

std::vector<int64_t> ExpiredSnapshots(const TableMetadata& table, const ExpirePolicy& policy,
                                      int64_t now_ms) {
  std::set<int64_t> kept;
  for (const auto& [name, ref] : table.refs) {
    if (ref.is_branch) {
      KeepBranch(table, ref, policy, now_ms, kept);
    } else {
      kept.insert(ref.snapshot_id);
    }
  }
  const std::set<int64_t> on_a_branch = Ancestors(table);
  std::vector<int64_t> expired;
  for (const auto& snapshot : table.snapshots) {
    if (kept.contains(snapshot.id)) continue;
    // Staged snapshots, on no branch (yet), only have an age.
    const bool staged = !on_a_branch.contains(snapshot.id);
    if (staged && now_ms - snapshot.timestamp_ms <= policy.max_age_ms) continue;
    expired.push_back(snapshot.id);
  }
  return expired;
}

Status Expire(const Workspace& work, const ExpirePolicy& policy, Prepared& prepared) {
  TableMetadata& table = prepared.metadata;
  const int64_t now_ms = FloorDiv(work.clock.Now().micros, 1'000);
  std::vector<std::string> due;
  for (const auto& [name, ref] : table.refs) {
    if (name != kMainBranch && RefIsDue(table, ref, now_ms)) due.push_back(name);
  }
  for (const auto& name : due) RemoveRef(table, name);
  const std::vector<int64_t> expired = ExpiredSnapshots(table, policy, now_ms);
  if (expired.empty()) return {};
  const TableMetadata before = table;
  TARN_TRY(RemoveSnapshots(table, expired));
  TARN_ASSIGN_OR_RETURN(auto unreachable, Unreachable(work, before, table));
  prepared.files_unreachable.insert(prepared.files_unreachable.end(), unreachable.begin(),
                                    unreachable.end());
  return {};
}

Result<std::vector<std::string>> Unreachable(const Workspace& work, const TableMetadata& before,
                                             const TableMetadata& after) {
  PathSet kept_metadata;
  for (const auto& snapshot : after.snapshots) {
    kept_metadata.insert(snapshot.manifest_list);
    TARN_ASSIGN_OR_RETURN(const ManifestList list, work.cache.List(work.store, snapshot));
    for (const auto& manifest : *list) kept_metadata.insert(manifest.path);
  }
  PathSet gone_metadata;
  PathSet candidates;
  for (const auto& snapshot : before.snapshots) {
    if (kept_metadata.contains(snapshot.manifest_list)) continue;
    gone_metadata.insert(snapshot.manifest_list);
    TARN_ASSIGN_OR_RETURN(const ManifestList list, ListOrNothing(work, snapshot));
    for (const auto& manifest : *list) {
      if (kept_metadata.contains(manifest.path)) continue;
      if (!gone_metadata.insert(manifest.path).second) continue;
      TARN_ASSIGN_OR_RETURN(const Entries entries, EntriesOrNothing(work, before, manifest));
      for (const auto& entry : *entries) {
        if (entry.live()) candidates.insert(entry.file.path);
      }
    }
  }
  TARN_TRY(SubtractKept(work, after, candidates));
  std::vector<std::string> unreachable(candidates.begin(), candidates.end());
  unreachable.insert(unreachable.end(), gone_metadata.begin(), gone_metadata.end());
  const PathSet kept_statistics = StatisticsPaths(after);
  for (const auto& path : StatisticsPaths(before)) {
    if (!kept_statistics.contains(path)) unreachable.push_back(path);
  }
  std::sort(unreachable.begin(), unreachable.end());
  return unreachable;
}

Result<std::vector<std::string>> Reachable(const Workspace& work, const TableMetadata& table) {
  TableMetadata nothing = table;
  nothing.snapshots.clear();
  nothing.statistics = {};
  nothing.partition_statistics = {};
  TARN_ASSIGN_OR_RETURN(auto reachable, Unreachable(work, table, nothing));
  for (const auto& entry : table.metadata_log) reachable.push_back(entry.metadata_file);
  if (!table.metadata_location.empty()) reachable.push_back(table.metadata_location);
  std::sort(reachable.begin(), reachable.end());
  return reachable;
}

}  // namespace tarn::iceberg
