#include "lake/events.h"

#include "lake/committer.h"

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
  work.log.Write(obs::Level::kError, "landing.failed",
                 {{"error", error.ToString()}, {"retry_ms", retry_micros / 1'000}});
}

void RecordRefused::Emit(const Workspace& work) const {
  work.metrics.GetCounter("tarn_records_refused_total", "Journal records that cannot be read.")
      .Add();
  work.log.Write(obs::Level::kError, "landing.record_refused",
                 {{"position", static_cast<int64_t>(position)}, {"error", error.ToString()}});
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

void LeftoversRemoved::Emit(const Workspace& work) const {
  work.log.Write(obs::Level::kInfo, "landing.leftovers_removed",
                 {{"objects", static_cast<int64_t>(objects)}});
}

}  // namespace tarn::lake
