#include "catalog/sqlite_catalog.h"

#include <fmt/format.h>

#include "catalog/sqlite_catalog_internal.h"

namespace tarn::catalog {
namespace {

constexpr std::string_view kSelectDataset =
    "SELECT name, kind, location, table_uuid, metadata_location, schema_summary, owner, "
    "description, source, snapshot_id, row_count, byte_count, commit_count, created, updated "
    "FROM dataset WHERE name = ?";
constexpr std::string_view kSelectDatasets =
    "SELECT name, kind, location, table_uuid, metadata_location, schema_summary, owner, "
    "description, source, snapshot_id, row_count, byte_count, commit_count, created, updated "
    "FROM dataset WHERE ?1 = '' OR zone = ?1 ORDER BY zone, name";

Dataset DatasetOf(const SqlRow& row) {
  Dataset dataset;
  dataset.name = StoredName(row.Text(0));
  dataset.kind = ParseDatasetKind(row.Text(1)).value_or(DatasetKind::kTable);
  dataset.location = row.Text(2);
  dataset.table_uuid = row.Text(3);
  dataset.metadata_location = row.Text(4);
  dataset.schema_summary = row.Text(5);
  dataset.owner = row.Text(6);
  dataset.description = row.Text(7);
  dataset.source = row.Text(8);
  dataset.snapshot_id = row.Int(9);
  dataset.rows = row.Int(10);
  dataset.bytes = row.Int(11);
  dataset.commits = row.Int(12);
  dataset.created = row.Time(13);
  dataset.updated = row.Time(14);
  return dataset;
}

Status LoadTags(SqliteDb& db, Dataset& dataset) {
  return db.Query("SELECT column_name, key, value FROM tag WHERE dataset = ? ORDER BY 1, 2",
                  {dataset.name.ToString()}, [&](const SqlRow& row) {
                    dataset.tags.push_back({row.Text(0), row.Text(1), row.Text(2)});
                  });
}

Result<Dataset> RequireDataset(SqliteDb& db, const DatasetName& name) {
  TARN_ASSIGN_OR_RETURN(auto dataset, LoadDataset(db, name));
  if (!dataset) return NotFound(name.ToString() + " does not exist");
  return *std::move(dataset);
}

// AlreadyExists says which part differs.
Status CheckSameSpec(const Dataset& old, const DatasetSpec& spec) {
  const auto differs = [&](std::string_view what, std::string_view was, std::string_view is) {
    return AlreadyExists(
        fmt::format("{} exists with {} '{}', not '{}'", old.name.ToString(), what, was, is));
  };
  if (old.kind != spec.kind) {
    return differs("kind", DatasetKindName(old.kind), DatasetKindName(spec.kind));
  }
  if (old.location != spec.location) return differs("location", old.location, spec.location);
  if (old.source != spec.source) return differs("source", old.source, spec.source);
  if (!spec.table_uuid.empty() && old.table_uuid != spec.table_uuid) {
    return differs("table uuid", old.table_uuid, spec.table_uuid);
  }
  return {};
}

Status CheckActor(const Actor& who) {
  if (who.name.empty()) return InvalidArgument("a change of the catalog must say who makes it");
  return {};
}

struct FenceRow {
  int64_t token = 0;
  std::string holder;
  Timestamp expires;
};

Result<FenceRow> LoadFence(SqliteDb& db, const std::string& pipeline) {
  FenceRow fence;
  TARN_TRY(db.Query("SELECT token, holder, lease_expires FROM pipeline WHERE pipeline = ?",
                    {pipeline},
                    [&](const SqlRow& row) { fence = {row.Int(0), row.Text(1), row.Time(2)}; }));
  return fence;
}

Status CheckNewest(const std::string& pipeline, FencingToken token, const FenceRow& fence) {
  if (token.value == fence.token && token.value != 0) return {};
  return Conflict(fmt::format("fenced: pipeline {}: token {} is not the newest, {}{} is", pipeline,
                              token.value, fence.token,
                              fence.holder.empty() ? "" : " of " + fence.holder));
}

}  // namespace

DatasetName StoredName(const std::string& text) {
  auto name = ParseDatasetName(text);
  if (name.ok()) return std::move(name).value();
  return {Zone::kSystem, text};
}

Result<std::optional<Dataset>> LoadDataset(SqliteDb& db, const DatasetName& name) {
  std::optional<Dataset> dataset;
  TARN_TRY(db.Query(kSelectDataset, {name.ToString()},
                    [&](const SqlRow& row) { dataset = DatasetOf(row); }));
  if (dataset) TARN_TRY(LoadTags(db, *dataset));
  return dataset;
}

SqliteCatalog::SqliteCatalog(Parts parts, const os::Clock& clock, os::Random& random,
                             int64_t watermark_keep_micros)
    : parts_(std::move(parts)),
      clock_(clock),
      random_(random),
      watermark_keep_micros_(watermark_keep_micros) {}

SqliteCatalog::~SqliteCatalog() {
  parts_.read.reset();
  if (parts_.write == nullptr) return;
  const bool owner = parts_.marker != nullptr && parts_.marker->lock != nullptr;
  const auto complete = parts_.write->Checkpoint(false);
  // An incomplete checkpoint (a reader is in the way, the disk is full) leaves the log and its
  // marker: the next start goes on from there.
  if (!owner || !complete.ok() || !*complete) return;
  os::FileSystem& fs = parts_.marker->file_system;
  if (!fs.Remove(parts_.marker->path).ok()) return;
  // Should the removal not reach the disk, the next start finds a marker with a log beside it. The
  // log is never emptied, or a process that starts just now would look as if it had lost its own.
  static_cast<void>(fs.SyncDirectory(os::ParentOf(parts_.marker->path)));
}

Status SqliteCatalog::RequireInPlace() const {
  for (const OpenedFile& file : parts_.files) {
    TARN_ASSIGN_OR_RETURN(const bool there,
                          parts_.marker->file_system.IsStillThere(file.path, file.info));
    if (there) continue;
    return DataLoss(fmt::format(
        "{} was removed, moved or replaced while it was open: what would be written now nobody "
        "could find again, so nothing was changed. If it was moved, move it back. Else stop Tarn, "
        "put a backup of {} and its -wal in their place, and start it again",
        file.path, parts_.files.front().path));
  }
  return {};
}

Status SqliteCatalog::AddAudit(SqliteDb& db, const AuditRow& row) {
  return db.Run("INSERT INTO audit(at, who, action, object, detail) VALUES(?, ?, ?, ?, ?)",
                {clock_.Now(), row.who, row.action, row.object, row.detail});
}

// ---- datasets

Result<Dataset> SqliteCatalog::CreateDataset(const DatasetSpec& spec, const Actor& who) {
  TARN_TRY(ValidateDatasetName(spec.name));
  TARN_TRY(CheckActor(who));
  if (!spec.table_uuid.empty() && !ParseUuid(spec.table_uuid)) {
    return InvalidArgument(spec.name.ToString() + ": '" + spec.table_uuid + "' is no UUID");
  }
  return Write([&](SqliteDb& db) -> Result<Dataset> {
    TARN_ASSIGN_OR_RETURN(auto old, LoadDataset(db, spec.name));
    if (old) {
      TARN_TRY(CheckSameSpec(*old, spec));
      return *std::move(old);
    }
    const Timestamp now = clock_.Now();
    const std::string uuid =
        spec.table_uuid.empty() ? FormatUuid(random_.NewUuidV7(now)) : spec.table_uuid;
    TARN_ASSIGN_OR_RETURN(const int64_t taken,
                          db.QueryInt("SELECT count(*) FROM dataset WHERE table_uuid = ?", {uuid}));
    if (taken != 0) return AlreadyExists("another dataset has table uuid " + uuid);
    const std::string name = spec.name.ToString();
    TARN_TRY(
        db.Run("INSERT INTO dataset(name, zone, kind, location, table_uuid, metadata_location, "
               "schema_summary, owner, description, source, created, updated) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
               {name, ZoneName(spec.name.zone), DatasetKindName(spec.kind), spec.location, uuid,
                spec.metadata_location, spec.schema_summary, spec.owner, spec.description,
                spec.source, now}));
    TARN_TRY(AddAudit(db, {.who = who.name, .action = "dataset.create", .object = name}));
    return RequireDataset(db, spec.name);
  });
}

Result<Dataset> SqliteCatalog::GetDataset(const DatasetName& name) {
  return Read([&](SqliteDb& db) { return RequireDataset(db, name); });
}

Result<std::vector<Dataset>> SqliteCatalog::ListDatasets(std::optional<Zone> zone) {
  return Read([&](SqliteDb& db) -> Result<std::vector<Dataset>> {
    std::vector<Dataset> datasets;
    TARN_TRY(db.Query(kSelectDatasets, {zone ? ZoneName(*zone) : std::string_view()},
                      [&](const SqlRow& row) { datasets.push_back(DatasetOf(row)); }));
    for (Dataset& dataset : datasets) TARN_TRY(LoadTags(db, dataset));
    std::sort(datasets.begin(), datasets.end(),
              [](const Dataset& a, const Dataset& b) { return a.name < b.name; });
    return datasets;
  });
}

Result<Dataset> SqliteCatalog::UpdateDataset(const DatasetName& name, const DatasetChange& change,
                                             const Actor& who) {
  TARN_TRY(CheckActor(who));
  return Write([&](SqliteDb& db) -> Result<Dataset> {
    TARN_ASSIGN_OR_RETURN(const Dataset old, RequireDataset(db, name));
    const auto or_old = [](const std::optional<std::string>& value, const std::string& was) {
      return value ? *value : was;
    };
    TARN_TRY(db.Run(
        "UPDATE dataset SET owner = ?, description = ?, source = ?, location = ?, updated = ? "
        "WHERE name = ?",
        {or_old(change.owner, old.owner), or_old(change.description, old.description),
         or_old(change.source, old.source), or_old(change.location, old.location), clock_.Now(),
         name.ToString()}));
    TARN_TRY(
        AddAudit(db, {.who = who.name, .action = "dataset.update", .object = name.ToString()}));
    return RequireDataset(db, name);
  });
}

Result<Dataset> SqliteCatalog::SetTags(const DatasetName& name,
                                       const std::vector<TagChange>& changes, const Actor& who) {
  TARN_TRY(CheckActor(who));
  for (const TagChange& change : changes) {
    if (change.key.empty()) return InvalidArgument("a tag needs a key");
  }
  return Write([&](SqliteDb& db) -> Result<Dataset> {
    TARN_TRY(RequireDataset(db, name));
    const std::string dataset = name.ToString();
    std::string detail;
    for (const TagChange& change : changes) {
      detail += fmt::format("{}{}{}{}", detail.empty() ? "" : ", ",
                            change.column.empty() ? "" : change.column + ":", change.key,
                            change.value ? "=" + *change.value : " removed");
      if (change.value) {
        TARN_TRY(
            db.Run("INSERT OR REPLACE INTO tag(dataset, column_name, key, value) "
                   "VALUES(?, ?, ?, ?)",
                   {dataset, change.column, change.key, *change.value}));
      } else {
        TARN_TRY(db.Run("DELETE FROM tag WHERE dataset = ? AND column_name = ? AND key = ?",
                        {dataset, change.column, change.key}));
      }
    }
    TARN_TRY(AddAudit(db, {.who = who.name,
                           .action = "dataset.tag",
                           .object = dataset,
                           .detail = std::move(detail)}));
    return RequireDataset(db, name);
  });
}

Result<std::vector<TaggedDataset>> SqliteCatalog::ListTags(const std::string& key) {
  return Read([&](SqliteDb& db) -> Result<std::vector<TaggedDataset>> {
    std::vector<TaggedDataset> tags;
    TARN_TRY(db.Query(
        "SELECT dataset, column_name, key, value FROM tag WHERE key = ? ORDER BY 1, 2", {key},
        [&](const SqlRow& row) {
          tags.push_back({StoredName(row.Text(0)), {row.Text(1), row.Text(2), row.Text(3)}});
        }));
    return tags;
  });
}

Status SqliteCatalog::DropDataset(const DatasetName& name, const Actor& who) {
  TARN_TRY(CheckActor(who));
  return Write([&](SqliteDb& db) -> Status {
    TARN_ASSIGN_OR_RETURN(const Dataset old, RequireDataset(db, name));
    TARN_TRY(db.Run("DELETE FROM dataset WHERE name = ?", {name.ToString()}));
    return AddAudit(db, {.who = who.name,
                         .action = "dataset.drop",
                         .object = name.ToString(),
                         .detail = old.metadata_location});
  });
}

// ---- pipelines

Result<Fence> SqliteCatalog::AcquireFence(const std::string& pipeline, const std::string& holder,
                                          int64_t ttl_micros, Acquire mode) {
  if (pipeline.empty()) return InvalidArgument("a pipeline needs a name");
  if (ttl_micros < 0) return InvalidArgument("a lease cannot end before it starts");
  return Write([&](SqliteDb& db) -> Result<Fence> {
    TARN_ASSIGN_OR_RETURN(const FenceRow old, LoadFence(db, pipeline));
    const Timestamp now = clock_.Now();
    if (mode == Acquire::kWhenExpired && !old.holder.empty() && old.holder != holder &&
        old.expires > now) {
      return Conflict(fmt::format("pipeline {} is held by {} until {}", pipeline, old.holder,
                                  FormatTimestamp(old.expires)));
    }
    const Fence fence{pipeline, {old.token + 1}, holder, {now.micros + ttl_micros}};
    TARN_TRY(
        db.Run("INSERT INTO pipeline(pipeline, token, holder, lease_expires) "
               "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(pipeline) DO UPDATE SET token = ?2, "
               "holder = ?3, lease_expires = ?4",
               {pipeline, fence.token.value, holder, fence.expires}));
    return fence;
  });
}

Result<Fence> SqliteCatalog::RenewFence(const std::string& pipeline, FencingToken token,
                                        int64_t ttl_micros) {
  if (ttl_micros < 0) return InvalidArgument("a lease cannot end before it starts");
  return Write([&](SqliteDb& db) -> Result<Fence> {
    TARN_ASSIGN_OR_RETURN(const FenceRow old, LoadFence(db, pipeline));
    TARN_TRY(CheckNewest(pipeline, token, old));
    const Fence fence{pipeline, token, old.holder, {clock_.Now().micros + ttl_micros}};
    TARN_TRY(db.Run("UPDATE pipeline SET lease_expires = ? WHERE pipeline = ?",
                    {fence.expires, pipeline}));
    return fence;
  });
}

Status SqliteCatalog::ReleaseFence(const std::string& pipeline, FencingToken token) {
  return Write([&](SqliteDb& db) -> Status {
    TARN_ASSIGN_OR_RETURN(const FenceRow old, LoadFence(db, pipeline));
    TARN_TRY(CheckNewest(pipeline, token, old));
    // The token itself stays, so that the next one is greater.
    return db.Run("UPDATE pipeline SET holder = '', lease_expires = 0 WHERE pipeline = ?",
                  {pipeline});
  });
}

Result<std::string> SqliteCatalog::GetPosition(const std::string& pipeline) {
  return Read([&](SqliteDb& db) -> Result<std::string> {
    std::string position;
    TARN_TRY(db.Query("SELECT position FROM pipeline WHERE pipeline = ?", {pipeline},
                      [&](const SqlRow& row) { position = row.Text(0); }));
    return position;
  });
}

Result<std::vector<PipelineState>> SqliteCatalog::ListPipelines() {
  return Read([&](SqliteDb& db) -> Result<std::vector<PipelineState>> {
    std::vector<PipelineState> pipelines;
    TARN_TRY(
        db.Query("SELECT pipeline, position, token, holder, lease_expires, last_commit_id, "
                 "last_commit FROM pipeline ORDER BY pipeline",
                 {}, [&](const SqlRow& row) {
                   pipelines.push_back({row.Text(0),
                                        row.Text(1),
                                        {row.Int(2)},
                                        row.Text(3),
                                        row.Time(4),
                                        row.Text(5),
                                        row.Time(6)});
                 }));
    return pipelines;
  });
}

}  // namespace tarn::catalog
