#include <fmt/format.h>

#include <set>

#include "catalog/sqlite_catalog_internal.h"

namespace tarn::catalog {
namespace {

CommitReceipt ReceiptOf(const SqlRow& row) {
  return {row.Text(0), row.Int(1), row.Time(2), row.Text(3),
          row.Text(4), row.Int(5), row.Int(6),  false};
}

Status LoadPointers(SqliteDb& db, const Commit& commit, CommitState& state) {
  for (const TableSwap& swap : commit.swaps) {
    TARN_TRY(db.Query("SELECT metadata_location FROM dataset WHERE name = ?",
                      {swap.dataset.ToString()},
                      [&](const SqlRow& row) { state.pointers[swap.dataset] = row.Text(0); }));
  }
  return {};
}

// The rows a commit is checked against.
Result<CommitState> LoadState(SqliteDb& db, const Commit& commit) {
  CommitState state;
  TARN_ASSIGN_OR_RETURN(state.receipt, LoadReceipt(db, commit.commit_id));
  if (state.receipt) return state;
  TARN_TRY(db.Query("SELECT token, holder, position FROM pipeline WHERE pipeline = ?",
                    {commit.pipeline}, [&](const SqlRow& row) {
                      state.token = {row.Int(0)};
                      state.token_holder = row.Text(1);
                      state.position = row.Text(2);
                    }));
  TARN_TRY(LoadPointers(db, commit, state));
  for (const Watermark& mark : commit.watermarks) {
    TARN_TRY(
        db.Query("SELECT end_offset FROM watermark "
                 "WHERE source = ? AND host = ? AND file_id = ?",
                 {mark.key.source, mark.key.host, mark.key.file_id},
                 [&](const SqlRow& row) { state.watermarks[mark.key] = row.Int(0); }));
  }
  for (const ReplayMark& replay : commit.replays) {
    TARN_TRY(db.Query("SELECT commit_id FROM replay WHERE dataset = ? AND item = ?",
                      {replay.dataset.ToString(), replay.item}, [&](const SqlRow& row) {
                        state.replays[replay.dataset][replay.item] = row.Text(0);
                      }));
  }
  return state;
}

}  // namespace

Result<std::optional<CommitReceipt>> LoadReceipt(SqliteDb& db, const std::string& commit_id) {
  std::optional<CommitReceipt> receipt;
  TARN_TRY(
      db.Query("SELECT commit_id, sequence, committed, pipeline, position, first_event, "
               "last_event FROM receipt WHERE commit_id = ?",
               {commit_id}, [&](const SqlRow& row) { receipt = ReceiptOf(row); }));
  return receipt;
}

Result<CommitReceipt> SqliteCatalog::Apply(const Commit& commit) {
  TARN_TRY(ValidateCommit(commit));
  return Write([&](SqliteDb& db) -> Result<CommitReceipt> {
    TARN_ASSIGN_OR_RETURN(const CommitState state, LoadState(db, commit));
    TARN_ASSIGN_OR_RETURN(const CommitDecision decision, CheckCommit(commit, state));
    if (decision == CommitDecision::kRepeated) {
      CommitReceipt receipt = *state.receipt;
      receipt.repeated = true;
      return receipt;
    }
    CommitReceipt receipt;
    receipt.commit_id = commit.commit_id;
    receipt.committed = clock_.Now();
    receipt.pipeline = commit.pipeline;
    receipt.new_position = commit.new_position;
    TARN_TRY(ApplyEffects(db, commit, receipt));
    return receipt;
  });
}

Status SqliteCatalog::ApplyEffects(SqliteDb& db, const Commit& commit, CommitReceipt& receipt) {
  const Timestamp now = receipt.committed;
  TARN_TRY(ApplySwaps(db, commit, now));
  if (!commit.pipeline.empty()) {
    TARN_TRY(
        db.Run("UPDATE pipeline SET position = ?, last_commit_id = ?, last_commit = ? "
               "WHERE pipeline = ?",
               {commit.new_position, commit.commit_id, now, commit.pipeline}));
    // Token 0 of a pipeline nobody has acquired: the first commit makes its row.
    if (db.changes() == 0) {
      TARN_TRY(
          db.Run("INSERT INTO pipeline(pipeline, position, last_commit_id, last_commit) "
                 "VALUES(?, ?, ?, ?)",
                 {commit.pipeline, commit.new_position, commit.commit_id, now}));
    }
  }
  TARN_TRY(ApplyWatermarks(db, commit));
  if (!commit.run.run_id.empty()) TARN_TRY(StoreRun(db, commit.run));
  TARN_TRY(ApplyEvents(db, commit, receipt));
  for (const ReplayMark& replay : commit.replays) {
    TARN_TRY(
        db.Run("INSERT INTO replay(dataset, item, row_count, commit_id, replayed) "
               "VALUES(?, ?, ?, ?, ?)",
               {replay.dataset.ToString(), replay.item, replay.rows, commit.commit_id, now}));
  }
  AuditRow audit = commit.audit;
  if (audit.action.empty()) audit.action = "commit";
  if (audit.object.empty()) audit.object = commit.commit_id;
  TARN_TRY(AddAudit(db, audit));
  TARN_TRY(
      db.Run("INSERT INTO receipt(commit_id, committed, pipeline, position, first_event, "
             "last_event) VALUES(?, ?, ?, ?, ?, ?)",
             {receipt.commit_id, now, receipt.pipeline, receipt.new_position,
              receipt.first_event_id, receipt.last_event_id}));
  receipt.sequence = db.last_insert_id();
  return {};
}

Status SqliteCatalog::ApplySwaps(SqliteDb& db, const Commit& commit, Timestamp now) {
  for (const TableSwap& swap : commit.swaps) {
    const std::string name = swap.dataset.ToString();
    TARN_TRY(
        db.Run("UPDATE dataset SET metadata_location = ?, snapshot_id = ?, "
               "row_count = row_count + ?, byte_count = byte_count + ?, "
               "commit_count = commit_count + 1, updated = ? "
               "WHERE name = ? AND metadata_location = ?",
               {swap.new_metadata_location, swap.snapshot_id, swap.rows_delta, swap.bytes_delta,
                now, name, swap.expected_metadata_location}));
    if (db.changes() != 1) return Internal(name + ": the pointer moved within a transaction");
    if (swap.schema_summary) {
      TARN_TRY(db.Run("UPDATE dataset SET schema_summary = ? WHERE name = ?",
                      {*swap.schema_summary, name}));
    }
  }
  return {};
}

Status SqliteCatalog::ApplyEvents(SqliteDb& db, const Commit& commit, CommitReceipt& receipt) {
  for (const DatasetEvent& event : commit.events) {
    TARN_TRY(
        db.Run("INSERT INTO event(dataset, snapshot_id, kind, payload, commit_id, created) "
               "VALUES(?, ?, ?, ?, ?, ?)",
               {event.dataset.ToString(), event.snapshot_id, event.kind, event.payload,
                commit.commit_id, receipt.committed}));
    receipt.last_event_id = db.last_insert_id();
    if (receipt.first_event_id == 0) receipt.first_event_id = receipt.last_event_id;
  }
  return {};
}

Result<std::optional<CommitReceipt>> SqliteCatalog::FindCommit(const std::string& commit_id) {
  return Read([&](SqliteDb& db) { return LoadReceipt(db, commit_id); });
}

Result<std::vector<CommitReceipt>> SqliteCatalog::ListCommits(size_t limit) {
  return Read([&](SqliteDb& db) -> Result<std::vector<CommitReceipt>> {
    std::vector<CommitReceipt> receipts;
    TARN_TRY(db.Query(
        "SELECT commit_id, sequence, committed, pipeline, position, first_event, "
        "last_event FROM receipt ORDER BY sequence DESC LIMIT ?",
        {SqlLimit(limit)}, [&](const SqlRow& row) { receipts.push_back(ReceiptOf(row)); }));
    return receipts;
  });
}

}  // namespace tarn::catalog
