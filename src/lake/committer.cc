#include "lake/committer.h"

#include <fmt/format.h>

#include <utility>

#include "lake/events.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

// Attempts at one commit before a busy table is given up on.
constexpr int kMaxAttempts = 20;

int64_t BytesOf(const std::vector<iceberg::DataFile>& files) {
  int64_t bytes = 0;
  for (const iceberg::DataFile& file : files) bytes += file.file_size_in_bytes;
  return bytes;
}

int64_t RowsOf(const std::vector<iceberg::DataFile>& files) {
  int64_t rows = 0;
  for (const iceberg::DataFile& file : files) rows += file.record_count;
  return rows;
}

int64_t Total(const iceberg::TableMetadata& table, const std::string& key) {
  const iceberg::Snapshot* snapshot = table.current_snapshot();
  if (snapshot == nullptr) return 0;
  const auto found = snapshot->summary.find(key);
  return found == snapshot->summary.end() ? 0 : std::stoll(found->second);
}

catalog::DatasetEvent EventOf(const TableChange& table, int64_t snapshot_id) {
  catalog::DatasetEvent event;
  event.dataset = table.dataset;
  event.snapshot_id = snapshot_id;
  event.kind = table.change.operation;
  codec::Json payload;
  payload.Set("rows", RowsOf(table.change.added));
  payload.Set("files", static_cast<int64_t>(table.change.added.size()));
  event.payload = codec::DumpJson(payload);
  return event;
}

}  // namespace

Committer::Committer(const Workspace& work, iceberg::ExpirePolicy policy,
                     int64_t reader_grace_micros)
    : work_(work), policy_(policy), reader_grace_micros_(reader_grace_micros) {}

bool Committer::OutcomeUnknown(const Error& error) { return error.code() == Code::kIo; }

Result<iceberg::TableMetadata> Committer::Table(const catalog::DatasetName& dataset) {
  const auto known = tables_.find(dataset);
  if (known != tables_.end()) return known->second;
  TARN_ASSIGN_OR_RETURN(iceberg::TableMetadata table, LoadTable(work_, dataset));
  tables_[dataset] = table;
  return table;
}

Result<iceberg::TableMetadata> Committer::Evolve(const catalog::DatasetName& dataset,
                                                 const event::Schema& wanted) {
  for (int number = 1;; ++number) {
    TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata base, Table(dataset));
    iceberg::TableMetadata changed = base;
    TARN_ASSIGN_OR_RETURN(const bool any, ReconcileSchema(changed, wanted));
    if (!any) return base;
    TARN_ASSIGN_OR_RETURN(iceberg::Prepared prepared,
                          iceberg::PrepareMetadata(work_.ForIceberg(), &base, std::move(changed)));
    TARN_ASSIGN_OR_RETURN(
        const Swap swap,
        SwapMetadata(dataset, base, std::move(prepared),
                     {.who = "landing", .action = "table.evolve", .object = dataset.ToString()}));
    if (swap == Swap::kDone) return Table(dataset);
    if (number == kMaxAttempts) return Conflict(dataset.ToString() + " changes all the time");
  }
}

Result<bool> Committer::Expire(const catalog::DatasetName& dataset,
                               const iceberg::ExpirePolicy& policy) {
  for (int number = 1;; ++number) {
    TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata base, Table(dataset));
    TARN_ASSIGN_OR_RETURN(auto prepared, iceberg::PrepareExpiry(work_.ForIceberg(), base, policy));
    if (!prepared) return false;
    TARN_ASSIGN_OR_RETURN(const Swap swap, SwapMetadata(dataset, base, std::move(*prepared),
                                                        {.who = "maintenance",
                                                         .action = "table.expire",
                                                         .object = dataset.ToString()}));
    if (swap == Swap::kDone) return true;
    if (number == kMaxAttempts) return Conflict(dataset.ToString() + " changes all the time");
  }
}

Result<Committer::Swap> Committer::SwapMetadata(const catalog::DatasetName& dataset,
                                                const iceberg::TableMetadata& base,
                                                iceberg::Prepared prepared,
                                                catalog::AuditRow audit) {
  catalog::Commit commit;
  commit.commit_id = FormatUuid(work_.random.NewUuidV7(work_.clock.Now()));
  commit.swaps.push_back({dataset, base.metadata_location, prepared.metadata.metadata_location,
                          base.current_snapshot_id.value_or(0)});
  commit.audit = std::move(audit);
  const auto receipt = ApplyKnown(commit);
  if (receipt.ok()) {
    tables_[dataset] = std::move(prepared.metadata);
    Doom(std::move(prepared.files_unreachable));
    return Swap::kDone;
  }
  Forget(dataset);
  if (OutcomeUnknown(receipt.error())) return receipt.error();
  (void)iceberg::DeleteFiles(work_.store, prepared.files_written);
  if (receipt.error().code() == Code::kConflict) return Swap::kLostRace;
  return receipt.error();
}

Result<Committer::Attempt> Committer::Prepare(const CommitRequest& request,
                                              const std::string& commit_id) {
  Attempt attempt;
  attempt.commit = request.commit;
  attempt.commit.commit_id = commit_id;
  catalog::LineageRun& run = attempt.commit.run;
  if (!run.run_id.empty()) run.rows = run.bytes = 0;
  for (const TableChange& table : request.tables) {
    TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata base, Table(table.dataset));
    iceberg::SnapshotChange change = table.change;
    change.summary["tarn.commit-id"] = commit_id;
    if (!request.commit.new_position.empty()) {
      change.summary["tarn.pipeline"] = request.commit.pipeline;
      change.summary["tarn.position"] = request.commit.new_position;
    }
    auto prepared = iceberg::PrepareSnapshot(work_.ForIceberg(), base, change, {.expire = policy_});
    if (!prepared.ok()) {
      // What this attempt wrote for other tables is unreachable; best effort, orphans otherwise.
      (void)iceberg::DeleteFiles(work_.store, attempt.written);
      return std::move(prepared).error().In(table.dataset.ToString());
    }
    catalog::TableSwap swap;
    swap.dataset = table.dataset;
    swap.expected_metadata_location = base.metadata_location;
    swap.new_metadata_location = prepared->metadata.metadata_location;
    swap.snapshot_id = *prepared->metadata.current_snapshot_id;
    swap.rows_delta = Total(prepared->metadata, "total-records") - Total(base, "total-records");
    swap.bytes_delta =
        Total(prepared->metadata, "total-files-size") - Total(base, "total-files-size");
    if (!run.run_id.empty()) {
      run.outputs.push_back({table.dataset, swap.snapshot_id});
      run.rows += RowsOf(change.added);
      run.bytes += BytesOf(change.added);
    }
    attempt.commit.events.push_back(EventOf(table, swap.snapshot_id));
    attempt.commit.swaps.push_back(std::move(swap));
    attempt.written.insert(attempt.written.end(), prepared->files_written.begin(),
                           prepared->files_written.end());
    attempt.unreachable.insert(attempt.unreachable.end(), prepared->files_unreachable.begin(),
                               prepared->files_unreachable.end());
    attempt.tables[table.dataset] = std::move(prepared->metadata);
  }
  return attempt;
}

Result<catalog::CommitReceipt> Committer::Run(const CommitRequest& request) {
  const std::string commit_id = FormatUuid(work_.random.NewUuidV7(work_.clock.Now()));
  const int64_t started = work_.clock.MonotonicMicros();
  for (int number = 1;; ++number) {
    auto attempt = Prepare(request, commit_id);
    if (!attempt.ok()) {
      DropDataFiles(request);
      return std::move(attempt).error();
    }
    auto receipt = ApplyKnown(attempt->commit);
    if (receipt.ok()) {
      CommitDone{request, *receipt, work_.clock.MonotonicMicros() - started}.Emit(work_);
      Accept(std::move(*attempt));
      return receipt;
    }
    for (const TableChange& table : request.tables) Forget(table.dataset);
    // Deleting now might take away what the table points to.
    if (OutcomeUnknown(receipt.error())) return receipt;
    (void)iceberg::DeleteFiles(work_.store, attempt->written);
    const bool conflict = receipt.error().code() == Code::kConflict;
    bool retry = conflict && number < kMaxAttempts;
    if (retry) {
      TARN_ASSIGN_OR_RETURN(const bool fenced, IsFenced(request.commit));
      retry = !fenced;
    }
    if (!retry) {
      DropDataFiles(request);
      return receipt;
    }
  }
}

// Applies a commit until it is known whether it was: an answer lost half-way is asked for again.
// The same commit id makes that safe. A catalog that another process holds has been waited for as
// long as it should be, in this one call: whoever wants the commit decides when to try again.
Result<catalog::CommitReceipt> Committer::ApplyKnown(const catalog::Commit& commit) {
  std::optional<Error> lost;
  for (int number = 1;; ++number) {
    auto receipt = work_.catalog.Apply(commit);
    if (receipt.ok()) return receipt;
    if (lost && receipt.error().code() == Code::kUnavailable) return *std::move(lost);
    if (!OutcomeUnknown(receipt.error()) || number == kMaxAttempts) return receipt;
    lost = std::move(receipt).error();
  }
}

// A position or token that is not ours any more: another worker has taken over.
Result<bool> Committer::IsFenced(const catalog::Commit& commit) {
  if (commit.pipeline.empty()) return false;
  TARN_ASSIGN_OR_RETURN(const auto pipelines, work_.catalog.ListPipelines());
  for (const catalog::PipelineState& state : pipelines) {
    if (state.pipeline != commit.pipeline) continue;
    return state.token != commit.token || state.position != commit.expected_position;
  }
  return true;
}

void Committer::Accept(Attempt attempt) {
  for (auto& [dataset, table] : attempt.tables) tables_[dataset] = std::move(table);
  Doom(std::move(attempt.unreachable));
  DeleteExpired();
}

void Committer::Doom(std::vector<std::string> urls) {
  if (urls.empty()) return;
  doomed_.push_back({work_.clock.MonotonicMicros() + reader_grace_micros_, std::move(urls)});
}

void Committer::DeleteExpired() {
  while (!doomed_.empty() && doomed_.front().due_micros <= work_.clock.MonotonicMicros()) {
    if (const Status deleted = iceberg::DeleteFiles(work_.store, doomed_.front().urls);
        !deleted.ok()) {
      FilesLeftBehind{doomed_.front().urls.size(), deleted.error()}.Emit(work_);
    }
    doomed_.pop_front();
  }
}

void Committer::DropDataFiles(const CommitRequest& request) {
  std::vector<std::string> urls;
  for (const TableChange& table : request.tables) {
    for (const iceberg::DataFile& file : table.change.added) urls.push_back(file.path);
  }
  if (const Status deleted = iceberg::DeleteFiles(work_.store, urls); !deleted.ok()) {
    FilesLeftBehind{urls.size(), deleted.error()}.Emit(work_);
  }
}

}  // namespace tarn::lake
