#include "lake/events.h"

#include "lake/committer.h"
#include "lake/compaction.h"

namespace tarn::lake {

void CommitDone::Emit(const Workspace& work) const {
  int64_t rows = 0;
  int64_t files = 0;
  std::string tables;
  for (const TableChange& table : request.tables) {
    for (const iceberg::DataFile& file : table.change.added) rows += file.record_count;
    files += static_cast<int64_t>(table.change.added.size());
    tables += (tables.empty() ? "" : ",") + table.dataset.ToString();
  }
  work.metrics.GetCounter("tarn_commits_total", "Commits made visible.").Add();
  work.metrics.GetHistogram("tarn_commit_seconds", "From prepared files to visible.")
      .Observe(static_cast<double>(took_micros) / 1e6);
  work.log.Write(obs::Level::kDebug, "commit.done",
                 {{"tables", tables},
                  {"rows", rows},
                  {"files", files},
                  {"position", receipt.new_position},
                  {"took_ms", took_micros / 1'000}});
}

void FilesLeftBehind::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_files_left_behind_total", "Unreachable files not yet deleted.")
      .Add(files);
  work.log.Write(obs::Level::kWarn, "lake.files_left_behind",
                 {{"files", static_cast<int64_t>(files)}, {"error", error.ToString()}});
}

void LandingFailed::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_landing_failures_total", "Flushes that failed and are retried.")
      .Add();
  if (!news) return;
  work.log.Write(obs::Level::kError, "landing.failed",
                 {{"error", error.ToString()}, {"retry_ms", retry_micros / 1'000}});
}

void FlushGivenUp::Emit(const Workspace& work) const {
  work.log.Write(
      obs::Level::kWarn, "landing.flush_given_up",
      {{"records", static_cast<int64_t>(records)},
       {"note", "the server ends; they stay in the journal and land after the next start"}});
}

void LandingRecovered::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kInfo, "landing.recovered",
                 {{"failures", static_cast<int64_t>(failures)}});
}

void RecordHeld::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_records_held_total", "Journal records that have to wait.").Add();
  work.log.Write(obs::Level::kError, "landing.record_held",
                 {{"position", static_cast<int64_t>(position)},
                  {"error", error.ToString()},
                  {"retry_ms", retry_micros / 1'000}});
}

void RecordRefused::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_records_refused_total", "Journal records that cannot be read.")
      .Add();
  work.log.Write(obs::Level::kError, "landing.record_refused",
                 {{"position", static_cast<int64_t>(position)}, {"error", error.ToString()}});
}

void LinesMissing::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kError, "landing.lines_missing",
                 {{"source", source},
                  {"host", host},
                  {"path", path},
                  {"from", static_cast<int64_t>(from)},
                  {"to", static_cast<int64_t>(to)},
                  {"note", from > 0 ? "the journal lost what was between"
                                    : "the journal lost records, and nothing is known of the file "
                                      "before this; nothing is missing if its agent began there "
                                      "(initial_position: end)"}});
}

void RecordsMissing::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kError, "landing.loss_accepted",
                 {{"from", static_cast<int64_t>(from)}, {"to", static_cast<int64_t>(to)}});
}

void FormatRefused::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_formats_refused_total", "Formats that could not be used.").Add();
  work.log.Write(obs::Level::kError, "landing.format_refused",
                 {{"source", source}, {"format", format}, {"error", error.ToString()}});
}

void SenderRefused::Emit(const Workspace& work) const {
  work.metrics
      .GetCounter("tarn_ingest_refused_total", "Batches of keys that have brought too much.",
                  {{"limit", limit}})
      .Add();
  if (!news) return;
  work.log.Write(obs::Level::kError, "ingest.key_refused",
                 {{"key", key}, {"limit", limit}, {"most", static_cast<int64_t>(most)}});
}

void HoursRefused::Emit(const Workspace& work) const {
  work.metrics
      .GetCounter("tarn_hours_refused_total", "Lines in quarantine: too many hours in one flush.")
      .Add(lines);
  work.log.Write(obs::Level::kError, "landing.hours_refused",
                 {{"source", source}, {"host", host}, {"lines", static_cast<int64_t>(lines)}});
}

void LeftoversRemoved::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kInfo, "landing.leftovers_removed",
                 {{"objects", static_cast<int64_t>(objects)}});
}

void CompactionDone::Emit(const Workspace& work) const {
  const auto count = [](int64_t value) { return static_cast<uint64_t>(value); };
  work.metrics.GetCounter("tarn_compactions_total", "Rewrites of small files into one.").Add();
  work.metrics.GetCounter("tarn_compacted_files_total", "Small files rewritten.")
      .Add(count(result.files));
  work.metrics.GetCounter("tarn_compacted_bytes_total", "Bytes of small files rewritten.")
      .Add(count(result.bytes_in));
  work.metrics.GetHistogram("tarn_compaction_seconds", "From the first row read to the commit.")
      .Observe(static_cast<double>(took_micros) / 1e6);
  work.log.Write(obs::Level::kDebug, "compaction.done",
                 {{"table", dataset.ToString()},
                  {"files", result.files},
                  {"rows", result.rows},
                  {"bytes_in", result.bytes_in},
                  {"bytes_out", result.bytes_out},
                  {"took_ms", took_micros / 1'000}});
}

void CompactionOvertaken::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_compaction_conflicts_total", "Rewrites another commit came before.")
      .Add();
  work.log.Write(obs::Level::kInfo, "compaction.overtaken", {{"table", dataset.ToString()}});
}

void OrphansRemoved::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_orphans_removed_total", "Files nobody pointed to, deleted.")
      .Add(static_cast<uint64_t>(files));
  work.log.Write(obs::Level::kInfo, "maintenance.orphans_removed",
                 {{"table", dataset.ToString()}, {"files", files}, {"bytes", bytes}});
}

void CatalogTrimmed::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kInfo, "maintenance.catalog_trimmed", {{"rows", rows}});
}

void MaintenanceFailed::Emit(const Workspace& work) const {
  work.metrics
      .GetCounter("tarn_maintenance_failures_total", "Steps that failed and are retried.",
                  {{"step", step}})
      .Add();
  work.log.Write(obs::Level::kWarn, "maintenance.failed",
                 {{"step", step}, {"object", object}, {"error", error.ToString()}});
}

}  // namespace tarn::lake
