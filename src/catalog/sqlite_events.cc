#include <fmt/format.h>

#include "catalog/sqlite_catalog_internal.h"

namespace tarn::catalog {
namespace {

// Rows removed in one transaction, so that Trim never holds up a commit for long.
constexpr int64_t kTrimBatch = 2'000;

LineageRun RunOf(const SqlRow& row) {
  LineageRun run;
  run.run_id = row.Text(0);
  run.job = row.Text(1);
  run.started = row.Time(2);
  run.ended = row.Time(3);
  run.rows = row.Int(4);
  run.bytes = row.Int(5);
  run.status = ParseRunStatus(row.Text(6)).value_or(RunStatus::kFailed);
  run.code_version = row.Text(7);
  run.message = row.Text(8);
  return run;
}

Status LoadRunDatasets(SqliteDb& db, LineageRun& run) {
  return db.Query(
      "SELECT is_output, dataset, snapshot_id FROM run_dataset WHERE run_id = ? "
      "ORDER BY is_output, ordinal",
      {run.run_id}, [&](const SqlRow& row) {
        (row.Bool(0) ? run.outputs : run.inputs).push_back({StoredName(row.Text(1)), row.Int(2)});
      });
}

Status StoreRunDatasets(SqliteDb& db, const LineageRun& run, bool outputs) {
  int64_t ordinal = 0;
  for (const DatasetSnapshot& entry : outputs ? run.outputs : run.inputs) {
    TARN_TRY(
        db.Run("INSERT INTO run_dataset(run_id, is_output, ordinal, dataset, snapshot_id) "
               "VALUES(?, ?, ?, ?, ?)",
               {run.run_id, outputs, ordinal++, entry.dataset.ToString(), entry.snapshot_id}));
  }
  return {};
}

DatasetEvent EventOf(const SqlRow& row) {
  DatasetEvent event;
  event.id = row.Int(0);
  event.dataset = StoredName(row.Text(1));
  event.snapshot_id = row.Int(2);
  event.kind = row.Text(3);
  event.payload = row.Text(4);
  event.commit_id = row.Text(5);
  event.created = row.Time(6);
  event.delivered = row.OptionalTime(7);
  return event;
}

Result<std::optional<int64_t>> LoadConsumer(SqliteDb& db, const std::string& consumer) {
  std::optional<int64_t> position;
  TARN_TRY(db.Query("SELECT position FROM consumer WHERE consumer = ?", {consumer},
                    [&](const SqlRow& row) { position = row.Int(0); }));
  return position;
}

// An event is delivered once every consumer has passed it; with no consumer, none is.
Status MarkDelivered(SqliteDb& db, Timestamp now) {
  return db.Run(
      "UPDATE event SET delivered = ? WHERE delivered IS NULL AND id <= "
      "(SELECT coalesce(min(position), 0) FROM consumer)",
      {now});
}

}  // namespace

Status StoreRun(SqliteDb& db, const LineageRun& run) {
  TARN_TRY(db.Run("DELETE FROM run WHERE run_id = ?", {run.run_id}));
  TARN_TRY(
      db.Run("INSERT INTO run(run_id, job, started, ended, row_count, byte_count, status, "
             "code_version, message) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
             {run.run_id, run.job, run.started, run.ended, run.rows, run.bytes,
              RunStatusName(run.status), run.code_version, run.message}));
  TARN_TRY(StoreRunDatasets(db, run, false));
  return StoreRunDatasets(db, run, true);
}

// ---- lineage

Status SqliteCatalog::RecordRun(const LineageRun& run) {
  if (run.run_id.empty()) return InvalidArgument("a run needs an id");
  return Write([&](SqliteDb& db) { return StoreRun(db, run); });
}

Result<std::vector<LineageRun>> SqliteCatalog::ListRuns(const RunFilter& filter) {
  return Read([&](SqliteDb& db) -> Result<std::vector<LineageRun>> {
    std::vector<LineageRun> runs;
    const std::string dataset = filter.dataset ? filter.dataset->ToString() : "";
    TARN_TRY(db.Query(
        "SELECT run_id, job, started, ended, row_count, byte_count, status, code_version, message "
        "FROM run WHERE (?1 = '' OR job = ?1) AND (?2 = '' OR run_id IN "
        "(SELECT run_id FROM run_dataset WHERE dataset = ?2)) "
        "ORDER BY ended DESC, run_id DESC LIMIT ?3",
        {filter.job, dataset, SqlLimit(filter.limit)},
        [&](const SqlRow& row) { runs.push_back(RunOf(row)); }));
    for (LineageRun& run : runs) TARN_TRY(LoadRunDatasets(db, run));
    return runs;
  });
}

Result<std::optional<LineageRun>> SqliteCatalog::LastSuccessfulRun(const std::string& job) {
  return Read([&](SqliteDb& db) -> Result<std::optional<LineageRun>> {
    std::optional<LineageRun> run;
    TARN_TRY(db.Query(
        "SELECT run_id, job, started, ended, row_count, byte_count, status, code_version, message "
        "FROM run WHERE job = ? AND status = 'succeeded' ORDER BY ended DESC, run_id DESC LIMIT 1",
        {job}, [&](const SqlRow& row) { run = RunOf(row); }));
    if (run) TARN_TRY(LoadRunDatasets(db, *run));
    return run;
  });
}

// ---- events

Result<std::vector<DatasetEvent>> SqliteCatalog::ReadEvents(int64_t after_id, size_t limit) {
  return Read([&](SqliteDb& db) -> Result<std::vector<DatasetEvent>> {
    std::vector<DatasetEvent> events;
    TARN_TRY(db.Query(
        "SELECT id, dataset, snapshot_id, kind, payload, commit_id, created, "
        "delivered FROM event WHERE id > ? ORDER BY id LIMIT ?",
        {after_id, SqlLimit(limit)}, [&](const SqlRow& row) { events.push_back(EventOf(row)); }));
    return events;
  });
}

Status SqliteCatalog::RegisterConsumer(const std::string& consumer) {
  if (consumer.empty()) return InvalidArgument("a consumer needs a name");
  return Write([&](SqliteDb& db) {
    return db.Run(
        "INSERT INTO consumer(consumer, position, updated) VALUES(?, 0, ?) "
        "ON CONFLICT(consumer) DO NOTHING",
        {consumer, clock_.Now()});
  });
}

Result<int64_t> SqliteCatalog::GetConsumerPosition(const std::string& consumer) {
  return Read([&](SqliteDb& db) -> Result<int64_t> {
    TARN_ASSIGN_OR_RETURN(const auto position, LoadConsumer(db, consumer));
    if (!position) return NotFound("consumer " + consumer + " is not registered");
    return *position;
  });
}

Status SqliteCatalog::AdvanceConsumer(const std::string& consumer, int64_t event_id) {
  return Write([&](SqliteDb& db) -> Status {
    TARN_ASSIGN_OR_RETURN(const auto position, LoadConsumer(db, consumer));
    if (!position) return NotFound("consumer " + consumer + " is not registered");
    if (event_id < *position) {
      return Conflict(fmt::format("consumer {} is at event {} and cannot go back to {}", consumer,
                                  *position, event_id));
    }
    // The newest event may be trimmed away; the sequence remembers it.
    TARN_ASSIGN_OR_RETURN(
        const int64_t last,
        db.QueryInt("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'"));
    if (event_id > last) {
      return InvalidArgument(fmt::format("consumer {}: there is no event {} yet, the last is {}",
                                         consumer, event_id, last));
    }
    const Timestamp now = clock_.Now();
    TARN_TRY(db.Run("UPDATE consumer SET position = ?, updated = ? WHERE consumer = ?",
                    {event_id, now, consumer}));
    return MarkDelivered(db, now);
  });
}

Status SqliteCatalog::DropConsumer(const std::string& consumer) {
  return Write([&](SqliteDb& db) -> Status {
    TARN_TRY(db.Run("DELETE FROM consumer WHERE consumer = ?", {consumer}));
    return MarkDelivered(db, clock_.Now());
  });
}

Result<std::vector<ConsumerState>> SqliteCatalog::ListConsumers() {
  return Read([&](SqliteDb& db) -> Result<std::vector<ConsumerState>> {
    std::vector<ConsumerState> consumers;
    TARN_TRY(
        db.Query("SELECT consumer, position, (SELECT count(*) FROM event WHERE id > position), "
                 "updated FROM consumer ORDER BY consumer",
                 {}, [&](const SqlRow& row) {
                   consumers.push_back({row.Text(0), row.Int(1), row.Int(2), row.Time(3)});
                 }));
    return consumers;
  });
}

// ---- quarantine

Result<std::vector<ReplayMark>> SqliteCatalog::ListReplays(const DatasetName& dataset) {
  return Read([&](SqliteDb& db) -> Result<std::vector<ReplayMark>> {
    std::vector<ReplayMark> marks;
    TARN_TRY(
        db.Query("SELECT item, row_count, commit_id, replayed FROM replay WHERE dataset = ? "
                 "ORDER BY item",
                 {dataset.ToString()}, [&](const SqlRow& row) {
                   marks.push_back({dataset, row.Text(0), row.Int(1), row.Text(2), row.Time(3)});
                 }));
    return marks;
  });
}

// ---- upkeep

Result<CatalogSummary> SqliteCatalog::Summary() {
  return Read([&](SqliteDb& db) -> Result<CatalogSummary> {
    CatalogSummary summary;
    TARN_TRY(db.Query("SELECT key, value FROM setting WHERE key IN ('project_id', 'created_by')",
                      {}, [&](const SqlRow& row) {
                        (row.Text(0) == "project_id" ? summary.project_id : summary.created_by) =
                            row.Text(1);
                      }));
    TARN_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt("PRAGMA user_version"));
    summary.schema_version = static_cast<int>(version);
    TARN_ASSIGN_OR_RETURN(summary.datasets, db.QueryInt("SELECT count(*) FROM dataset"));
    TARN_TRY(db.Query("SELECT sequence, committed FROM receipt ORDER BY sequence DESC LIMIT 1", {},
                      [&](const SqlRow& row) {
                        summary.commits = row.Int(0);
                        summary.last_commit = row.Time(1);
                      }));
    TARN_ASSIGN_OR_RETURN(summary.watermarks, db.QueryInt("SELECT count(*) FROM watermark"));
    TARN_ASSIGN_OR_RETURN(summary.events_waiting,
                          db.QueryInt("SELECT count(*) FROM event WHERE delivered IS NULL"));
    TARN_ASSIGN_OR_RETURN(const int64_t pages, db.QueryInt("PRAGMA page_count"));
    TARN_ASSIGN_OR_RETURN(const int64_t page_bytes, db.QueryInt("PRAGMA page_size"));
    summary.file_bytes = pages * page_bytes;
    return summary;
  });
}

Result<int64_t> SqliteCatalog::Trim(const TrimPolicy& policy) {
  // Without this a server that lands nothing for days would not age.
  TARN_ASSIGN_OR_RETURN(const LifeClock now, Write([&](SqliteDb& db) { return Age(db); }));
  std::optional<Timestamp> watermarks_before = policy.watermarks_before;
  if (watermarks_before) watermarks_before->micros -= now.behind_micros();
  struct Step {
    std::optional<Timestamp> before;
    std::string_view sql;
  };
  const std::array<Step, 5> steps = {{
      {policy.receipts_before,
       "DELETE FROM receipt WHERE sequence IN (SELECT sequence FROM receipt WHERE committed < ?1 "
       "AND commit_id NOT IN (SELECT last_commit_id FROM pipeline) "
       "AND sequence < (SELECT max(sequence) FROM receipt) ORDER BY sequence LIMIT ?2)"},
      {policy.events_before,
       "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE created < ?1 "
       "AND delivered IS NOT NULL ORDER BY id LIMIT ?2)"},
      {policy.runs_before,
       "DELETE FROM run WHERE run_id IN (SELECT run_id FROM run AS old WHERE ended < ?1 AND EXISTS "
       "(SELECT 1 FROM run AS newer WHERE newer.job = old.job AND newer.ended > old.ended "
       "AND newer.status = 'succeeded') LIMIT ?2)"},
      {policy.audit_before,
       "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY id LIMIT ?2)"},
      {watermarks_before,
       "DELETE FROM watermark WHERE rowid IN "
       "(SELECT rowid FROM watermark WHERE updated < ?1 LIMIT ?2)"},
  }};
  int64_t removed = 0;
  for (const Step& step : steps) {
    if (!step.before) continue;
    for (int64_t batch = kTrimBatch; batch == kTrimBatch;) {
      const auto result = Write([&](SqliteDb& db) -> Result<int64_t> {
        TARN_TRY(db.Run(step.sql, {*step.before, kTrimBatch}));
        return db.changes();
      });
      if (!result.ok()) return result.error();
      batch = *result;
      removed += batch;
    }
  }
  return removed;
}

}  // namespace tarn::catalog
