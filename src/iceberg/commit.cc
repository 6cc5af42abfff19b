#include "iceberg/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/id.h"
#include "base/text.h"
#include "iceberg/manifest_merge.h"
#include "iceberg/named_object.h"
#include "iceberg/scan.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

constexpr int64_t kDefaultMinManifestsToMerge = 100;
constexpr int64_t kDefaultManifestTargetBytes = 8'000'000;
constexpr int64_t kDefaultPreviousVersionsMax = 20;

// Writes objects and remembers them, so that a failed commit leaves nothing behind.
class Writes {
 public:
  explicit Writes(store::ObjectStore& store) : store_(store) {}

  Status Put(const std::string& url, std::string_view bytes) {
    TARN_ASSIGN_OR_RETURN(const std::string key, store_.KeyOf(url));
    urls_.push_back(url);
    return store_.Put(key, bytes);
  }
  // Best effort: what stays is an orphan, which costs space but no harm.
  void Undo() {
    for (const auto& url : urls_) (void)DeleteFiles(store_, {url});
  }
  std::vector<std::string> Take() && { return std::move(urls_); }

 private:
  store::ObjectStore& store_;
  std::vector<std::string> urls_;
};

int64_t NowMs(const Workspace& work, const TableMetadata* base) {
  const int64_t now = FloorDiv(work.clock.Now().micros, 1'000);
  return base == nullptr ? now : std::max(now, base->last_updated_ms);
}

std::string NewUuid(const Workspace& work) {
  return FormatUuid(work.random.NewUuidV7(work.clock.Now()));
}

int64_t NewSnapshotId(const Workspace& work, const TableMetadata& base) {
  for (;;) {
    const auto id = static_cast<int64_t>(work.random.Next() >> 1);
    if (id != 0 && base.FindSnapshot(id) == nullptr) return id;
  }
}

// "…/00012-<uuid>.metadata.json" → 12.
uint64_t VersionOf(const TableMetadata& base) {
  const std::string& location = base.metadata_location;
  const size_t slash = location.rfind('/');
  const std::string_view name = std::string_view(location).substr(slash + 1);
  const auto version = ParseUint64(name.substr(0, name.find('-')));
  return version.value_or(base.metadata_log.size());
}

// Names the new metadata file, extends the log and writes it.
Status WriteMetadata(const Workspace& work, const TableMetadata* base, Writes& writes,
                     Prepared& prepared) {
  TableMetadata& table = prepared.metadata;
  uint64_t version = 0;
  if (base != nullptr && !base->metadata_location.empty()) {
    version = VersionOf(*base) + 1;
    table.metadata_log.push_back({base->last_updated_ms, base->metadata_location});
  }
  const auto keep = static_cast<size_t>(std::clamp<int64_t>(
      table.IntProperty(std::string(kPreviousVersionsMax), kDefaultPreviousVersionsMax), 1,
      10'000));
  while (table.metadata_log.size() > keep) {
    prepared.files_unreachable.push_back(table.metadata_log.front().metadata_file);
    table.metadata_log.erase(table.metadata_log.begin());
  }
  const std::string bytes = PrintMetadata(table);
  table.metadata_location =
      NameWithHash(fmt::format("{}/metadata/{:05}-{}", table.location, version, NewUuid(work)),
                   ".metadata.json", bytes);
  return writes.Put(table.metadata_location, bytes);
}

// The files a change adds and takes away, for the summary.
struct Totals {
  int64_t files = 0;
  int64_t records = 0;
  int64_t bytes = 0;
  int64_t delete_files = 0;
  int64_t position_deletes = 0;
  int64_t equality_deletes = 0;

  void Add(const DataFile& file) {
    bytes += file.file_size_in_bytes;
    switch (file.content) {
      case FileContent::kData:
        ++files;
        records += file.record_count;
        break;
      case FileContent::kPositionDeletes:
        ++delete_files;
        position_deletes += file.record_count;
        break;
      case FileContent::kEqualityDeletes:
        ++delete_files;
        equality_deletes += file.record_count;
        break;
    }
  }
};

// One snapshot in the making.
class SnapshotDraft {
 public:
  SnapshotDraft(const Workspace& work, const TableMetadata& base, const SnapshotChange& change)
      : work_(work), base_(base), change_(change), uuid_(NewUuid(work)) {
    snapshot_.id = NewSnapshotId(work, base);
    snapshot_.parent_id = base.current_snapshot_id;
    snapshot_.sequence_number = base.last_sequence_number + 1;
    snapshot_.timestamp_ms = NowMs(work, &base);
    snapshot_.schema_id = base.current_schema_id;
    snapshot_.operation = change.operation;
  }

  Status Build(Writes& writes) {
    TARN_TRY(Check());
    if (change_.removed_without_deletes) TARN_TRY(CheckDeletes());
    TARN_TRY(CarryOver());
    TARN_TRY(AddFiles());
    const MergeLimits limits = {
        .min_count = std::max<int64_t>(
            2, base_.IntProperty(std::string(kMinManifestsToMerge), kDefaultMinManifestsToMerge)),
        .target_bytes =
            base_.IntProperty(std::string(kManifestTargetBytes), kDefaultManifestTargetBytes)};
    TARN_ASSIGN_OR_RETURN(drafts_, MergeManifests(work_, base_, std::move(drafts_), limits));
    TARN_TRY(Write(writes));
    Summarize();
    return {};
  }

  Snapshot Take() && { return std::move(snapshot_); }

 private:
  Error Wrong(std::string_view what) const {
    return InvalidArgument(fmt::format("{}: {}", change_.operation, what));
  }

  Status Check() const {
    static constexpr std::array<std::string_view, 4> kOperations = {"append", "replace",
                                                                    "overwrite", "delete"};
    if (std::find(kOperations.begin(), kOperations.end(), change_.operation) == kOperations.end()) {
      return InvalidArgument("there is no operation '" + change_.operation + "'");
    }
    if (change_.operation == "append" && !change_.removed_paths.empty()) {
      return Wrong("it removes files");
    }
    if (change_.operation == "delete" && !change_.added.empty()) return Wrong("it adds files");
    if (change_.data_sequence_number &&
        (*change_.data_sequence_number < 0 ||
         *change_.data_sequence_number > base_.last_sequence_number)) {
      return Wrong("a data sequence number that no snapshot had");
    }
    std::set<std::string_view> paths;
    for (const auto& file : change_.added) {
      if (!paths.insert(file.path).second) return Wrong("it adds " + file.path + " twice");
    }
    for (const auto& path : change_.removed_paths) {
      if (paths.contains(path)) return Wrong("it adds and removes " + path);
    }
    return {};
  }

  // A position delete names its file, so what replaces that file would bring its rows back.
  Status CheckDeletes() const {
    const Snapshot* parent = base_.current_snapshot();
    if (parent == nullptr) return {};
    TARN_ASSIGN_OR_RETURN(const ManifestList list, work_.cache.List(work_.store, *parent));
    const bool any = std::any_of(list->begin(), list->end(), [](const ManifestFile& manifest) {
      return manifest.content == ManifestContent::kDeletes && manifest.live_files() > 0;
    });
    if (!any) return {};
    TARN_ASSIGN_OR_RETURN(const Plan plan,
                          PlanFiles(work_.store, work_.cache, base_, std::nullopt, {}));
    const std::unordered_set<std::string_view> removed(change_.removed_paths.begin(),
                                                       change_.removed_paths.end());
    for (const PlannedFile& planned : plan.files) {
      if (planned.deletes.empty() || !removed.contains(planned.file.path)) continue;
      return Conflict(fmt::format("{}: {} deletes rows of {}, which was read without it",
                                  change_.operation, planned.deletes.front().path,
                                  planned.file.path));
    }
    return {};
  }

  // The parent's manifests, those with removed files rewritten.
  Status CarryOver() {
    const Snapshot* parent = base_.current_snapshot();
    ManifestList list = std::make_shared<const std::vector<ManifestFile>>();
    if (parent != nullptr) {
      TARN_ASSIGN_OR_RETURN(list, work_.cache.List(work_.store, *parent));
    }
    std::unordered_set<std::string_view> removed(change_.removed_paths.begin(),
                                                 change_.removed_paths.end());
    for (const auto& file : *list) {
      if (file.live_files() == 0) continue;
      DraftManifest draft;
      draft.file = file;
      if (!removed.empty()) TARN_TRY(RemoveFrom(draft, removed));
      drafts_.push_back(std::move(draft));
    }
    if (removed.empty()) return {};
    return Conflict(fmt::format("{}: {} files to remove are not in the table, {} among them",
                                change_.operation, removed.size(), *removed.begin()));
  }

  Status RemoveFrom(DraftManifest& draft, std::unordered_set<std::string_view>& removed) {
    TARN_ASSIGN_OR_RETURN(const Entries entries,
                          work_.cache.Manifest(work_.store, base_, draft.file));
    const auto goes = [&](const ManifestEntry& entry) {
      return entry.live() && removed.contains(entry.file.path);
    };
    if (std::none_of(entries->begin(), entries->end(), goes)) return {};
    for (const auto& entry : *entries) {
      if (!entry.live()) continue;
      draft.entries.push_back(AsExisting(entry));
      if (removed.erase(entry.file.path) == 0) continue;
      draft.entries.back().status = EntryStatus::kDeleted;
      draft.entries.back().snapshot_id = snapshot_.id;
      removed_.Add(entry.file);
      partitions_.insert(PartitionKey(entry.file));
    }
    return {};
  }

  Status AddFiles() {
    std::map<std::pair<int32_t, ManifestContent>, DraftManifest> fresh;
    for (const auto& file : change_.added) {
      const auto content =
          file.content == FileContent::kData ? ManifestContent::kData : ManifestContent::kDeletes;
      DraftManifest& draft = fresh[{file.spec_id, content}];
      draft.file.spec_id = file.spec_id;
      draft.file.content = content;
      ManifestEntry entry;
      entry.snapshot_id = snapshot_.id;
      entry.sequence_number = change_.data_sequence_number;
      entry.file = file;
      draft.entries.push_back(std::move(entry));
      added_.Add(file);
      partitions_.insert(PartitionKey(file));
    }
    for (auto& [key, draft] : fresh) drafts_.push_back(std::move(draft));
    return {};
  }

  Status Write(Writes& writes) {
    std::vector<ManifestFile> files;
    size_t count = 0;
    for (auto& draft : drafts_) {
      if (draft.carried()) {
        files.push_back(std::move(draft.file));
        continue;
      }
      TARN_ASSIGN_OR_RETURN(auto encoded, EncodeManifest(base_, draft.file.spec_id, draft.entries));
      ManifestFile& file = encoded.file;
      file.path = NameWithHash(fmt::format("{}/metadata/{}-m{}", base_.location, uuid_, count++),
                               ".avro", encoded.bytes);
      file.sequence_number = snapshot_.sequence_number;
      file.added_snapshot_id = snapshot_.id;
      // A manifest of nothing but deleted entries has no least number of its own either.
      file.min_sequence_number = std::min(file.min_sequence_number, snapshot_.sequence_number);
      TARN_TRY(writes.Put(file.path, encoded.bytes));
      files.push_back(std::move(file));
    }
    // Newest first: what is looked for is mostly there.
    std::stable_sort(files.begin(), files.end(), [](const auto& left, const auto& right) {
      return left.sequence_number > right.sequence_number;
    });
    const std::string list = EncodeManifestList(snapshot_, files);
    snapshot_.manifest_list =
        NameWithHash(fmt::format("{}/metadata/snap-{}-1-{}", base_.location, snapshot_.id, uuid_),
                     ".avro", list);
    return writes.Put(snapshot_.manifest_list, list);
  }

  void Summarize() {
    snapshot_.summary = change_.summary;
    snapshot_.summary.erase("operation");
    const int64_t now_ms = NowMs(work_, nullptr);
    if (now_ms < snapshot_.timestamp_ms) snapshot_.summary[kClockMs] = std::to_string(now_ms);
    const auto put = [&](const std::string& key, int64_t value) {
      if (value != 0) snapshot_.summary[key] = std::to_string(value);
    };
    put("added-data-files", added_.files);
    put("added-records", added_.records);
    put("added-files-size", added_.bytes);
    put("added-delete-files", added_.delete_files);
    put("added-position-deletes", added_.position_deletes);
    put("added-equality-deletes", added_.equality_deletes);
    put("deleted-data-files", removed_.files);
    put("deleted-records", removed_.records);
    put("removed-files-size", removed_.bytes);
    put("removed-delete-files", removed_.delete_files);
    put("removed-position-deletes", removed_.position_deletes);
    put("removed-equality-deletes", removed_.equality_deletes);
    put("changed-partition-count", static_cast<int64_t>(partitions_.size()));
    PutTotal("total-data-files", added_.files - removed_.files);
    PutTotal("total-records", added_.records - removed_.records);
    PutTotal("total-files-size", added_.bytes - removed_.bytes);
    PutTotal("total-delete-files", added_.delete_files - removed_.delete_files);
    PutTotal("total-position-deletes", added_.position_deletes - removed_.position_deletes);
    PutTotal("total-equality-deletes", added_.equality_deletes - removed_.equality_deletes);
  }

  // Left out if the parent (another writer's) does not say its own.
  void PutTotal(const std::string& key, int64_t change) {
    int64_t total = change;
    if (const Snapshot* parent = base_.current_snapshot()) {
      const auto found = parent->summary.find(key);
      if (found == parent->summary.end()) return;
      const auto before = ParseInt64(found->second);
      if (!before) return;
      total += *before;
    }
    if (total >= 0) snapshot_.summary[key] = std::to_string(total);
  }

  const Workspace& work_;
  const TableMetadata& base_;
  const SnapshotChange& change_;
  const std::string uuid_;
  Snapshot snapshot_;
  std::vector<DraftManifest> drafts_;
  Totals added_;
  Totals removed_;
  std::unordered_set<std::string> partitions_;
};

Status BuildSnapshot(const Workspace& work, const TableMetadata& base, const SnapshotChange& change,
                     const PrepareOptions& options, Writes& writes, Prepared& prepared) {
  SnapshotDraft draft(work, base, change);
  TARN_TRY(draft.Build(writes));
  Snapshot snapshot = std::move(draft).Take();
  SnapshotRef main;
  const auto old_main = base.refs.find(std::string(kMainBranch));
  if (old_main != base.refs.end()) main = old_main->second;
  main.snapshot_id = snapshot.id;
  prepared.metadata = base;
  TARN_TRY(AddSnapshot(prepared.metadata, std::move(snapshot)));
  TARN_TRY(SetRef(prepared.metadata, std::string(kMainBranch), main));
  if (options.expire) {
    TARN_TRY(Expire(work, *options.expire, prepared));
  }
  return WriteMetadata(work, &base, writes, prepared);
}

}  // namespace

Result<Prepared> PrepareSnapshot(const Workspace& work, const TableMetadata& base,
                                 const SnapshotChange& change, const PrepareOptions& options) {
  Writes writes(work.store);
  Prepared prepared;
  auto built = BuildSnapshot(work, base, change, options, writes, prepared);
  if (!built.ok()) {
    writes.Undo();
    return std::move(built).error().In(base.location);
  }
  prepared.files_written = std::move(writes).Take();
  return prepared;
}

Result<Prepared> PrepareMetadata(const Workspace& work, const TableMetadata* base,
                                 TableMetadata changed) {
  Writes writes(work.store);
  Prepared prepared;
  prepared.metadata = std::move(changed);
  prepared.metadata.last_updated_ms =
      std::max(prepared.metadata.last_updated_ms, NowMs(work, base));
  if (base == nullptr) prepared.metadata.metadata_log.clear();
  auto written = WriteMetadata(work, base, writes, prepared);
  if (!written.ok()) {
    writes.Undo();
    return std::move(written).error().In(prepared.metadata.location);
  }
  prepared.files_written = std::move(writes).Take();
  return prepared;
}

Result<std::optional<Prepared>> PrepareExpiry(const Workspace& work, const TableMetadata& base,
                                              const ExpirePolicy& policy) {
  Prepared prepared;
  prepared.metadata = base;
  TARN_TRY(Expire(work, policy, prepared));
  if (prepared.metadata.snapshots.size() == base.snapshots.size() &&
      prepared.metadata.refs.size() == base.refs.size()) {
    return std::optional<Prepared>();
  }
  Writes writes(work.store);
  prepared.metadata.last_updated_ms = NowMs(work, &base);
  auto written = WriteMetadata(work, &base, writes, prepared);
  if (!written.ok()) {
    writes.Undo();
    return std::move(written).error().In(base.location);
  }
  prepared.files_written = std::move(writes).Take();
  return std::optional<Prepared>(std::move(prepared));
}

Result<TableMetadata> LoadMetadata(const store::ObjectStore& store, const std::string& url) {
  TARN_ASSIGN_OR_RETURN(const std::string bytes, GetNamed(store, url));
  auto table = ParseMetadata(bytes);
  // It was table metadata once.
  if (!table.ok() && table.error().code() == Code::kInvalidArgument) {
    return DataLoss(fmt::format("{} is damaged: {}", url, table.error().message()));
  }
  if (!table.ok()) return std::move(table).error().In(url);
  table->metadata_location = url;
  return table;
}

Status DeleteFiles(store::ObjectStore& store, const std::vector<std::string>& urls) {
  for (const auto& url : urls) {
    const auto key = store.KeyOf(url);
    if (key.ok()) TARN_TRY(store.Delete(*key));
  }
  return {};
}

}  // namespace tarn::iceberg
