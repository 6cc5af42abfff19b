#include "lake/flush_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <utility>

#include "codec/zstd.h"
#include "lake/json_rows.h"
#include "lake/log_schema.h"
#include "lake/table.h"
#include "os/thread.h"

namespace tarn::lake {
namespace {

// Threads that encode the hours of a flush, at most; the caller's own is one of them. More than
// there are cores would take the door's share of them.
constexpr size_t kMaxThreads = 4;

template <typename Item>
void ForEachInParallel(std::vector<Item>& items, const std::function<void(Item&)>& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < items.size(); i = next++) work(items[i]);
  };
  const size_t count = std::min({items.size(), size_t{os::CoreCount()}, kMaxThreads});
  std::vector<os::Thread> threads;
  for (size_t i = 1; i < count; ++i) {
    threads.emplace_back("flush", run);
  }
  run();
}

}  // namespace

// The rows of one hour, and the files they became.
struct FlushFiles::HourJob {
  Hour hour;
  event::ColumnBatch* rows;
  std::string json_key;  // empty: does not land so
  std::optional<iceberg::DataFile> raw;
  std::optional<iceberg::DataFile> clean;
  Status status;
};

// What the jobs of one buffer share.
struct FlushFiles::Layouts {
  iceberg::TableMetadata raw_table;
  iceberg::TableMetadata clean_table;
  event::Schema raw;
  event::Schema clean;
};

Status FlushFiles::Write(const SourceTables& source, LogBuffer& buffer) {
  Layouts layouts;
  TARN_ASSIGN_OR_RETURN(layouts.raw_table, committer_.Table(source.raw));
  TARN_ASSIGN_OR_RETURN(layouts.clean_table, committer_.Table(source.clean));
  layouts.raw = WithIdsOf(layouts.raw_table, buffer.schema());
  layouts.clean = WithIdsOf(layouts.clean_table, CleanSchema(buffer.format().schema()));
  std::vector<HourJob> jobs;
  for (auto& [hour, rows] : buffer.hours()) {
    if (rows.rows() > 0) jobs.push_back({hour, &rows, NewJsonKey(source, hour)});
  }
  const bool rejected = buffer.rejected().rows() > 0;
  if (rejected) {
    jobs.push_back({std::nullopt, &buffer.rejected(), NewJsonKey(source, std::nullopt)});
  }
  ForEachInParallel<HourJob>(
      jobs, [&](HourJob& job) { job.status = WriteHour(source, buffer, layouts, job); });
  Status status;
  for (HourJob& job : jobs) {
    if (job.raw) files_[source.raw].push_back(std::move(*job.raw));
    if (job.clean) files_[source.clean].push_back(std::move(*job.clean));
    if (status.ok()) status = std::move(job.status);
  }
  if (!status.ok() || !rejected) return status;
  return WriteQuarantine(source, buffer);
}

Status FlushFiles::WriteHour(const SourceTables& source, LogBuffer& buffer, const Layouts& layouts,
                             HourJob& job) {
  TARN_TRY(go_on_());
  if (source.config.land.parquet) {
    TARN_ASSIGN_OR_RETURN(
        job.raw, writer_.Write({source.raw, layouts.raw_table, layouts.raw}, job.hour, *job.rows));
  }
  if (!job.json_key.empty()) {
    codec::ZstdCompressor zstd(1);
    TARN_TRY(writer_.Put(job.json_key, zstd.Compress(JsonLines(buffer.schema(), *job.rows))));
  }
  if (job.rows == &buffer.rejected()) return {};
  const event::ColumnBatch valid = ToCleanRows(buffer.format().schema(), std::move(*job.rows));
  TARN_ASSIGN_OR_RETURN(job.clean, writer_.Write({source.clean, layouts.clean_table, layouts.clean},
                                                 job.hour, valid));
  return {};
}

// Buffers of several formats may hold the same hour: the first free name wins.
std::string FlushFiles::NewJsonKey(const SourceTables& source, Hour hour) {
  if (!source.config.land.json) return "";
  constexpr std::string_view kEnding = ".json.zst";
  const std::string first_name = JsonKey(source.raw, hour, records_.first, records_.last);
  std::string key = first_name;
  for (int number = 2; json_keys_.contains(key); ++number) {
    key = first_name;
    key.insert(key.size() - kEnding.size(), fmt::format(".{}", number));
  }
  json_keys_.insert(key);
  return key;
}

Status FlushFiles::WriteQuarantine(const SourceTables& source, LogBuffer& buffer) {
  TARN_ASSIGN_OR_RETURN(const auto table, committer_.Table(source.quarantine));
  const event::Schema columns = WithIdsOf(table, QuarantineSchema());
  const event::ColumnBatch rows =
      ToQuarantineRows(buffer.format().schema(), buffer.rejected(), buffer.format_text());
  TARN_ASSIGN_OR_RETURN(auto files, writer_.WriteByHour({source.quarantine, table, columns}, rows));
  auto& all = files_[source.quarantine];
  std::move(files.begin(), files.end(), std::back_inserter(all));
  return {};
}

std::vector<TableChange> FlushFiles::TakeChanges() {
  std::vector<TableChange> changes;
  for (auto& [dataset, files] : files_) {
    changes.push_back({dataset, {.operation = "append", .added = std::move(files)}});
  }
  files_.clear();
  return changes;
}

void FlushFiles::DropData() {
  std::vector<std::string> urls;
  for (const auto& [dataset, files] : files_) {
    for (const iceberg::DataFile& file : files) urls.push_back(file.path);
  }
  (void)iceberg::DeleteFiles(work_.store, urls);
}

Status FlushFiles::DropJson() {
  Status status;
  for (const std::string& key : json_keys_) {
    if (auto dropped = work_.store.Delete(key); !dropped.ok()) status = std::move(dropped);
  }
  return status;
}

}  // namespace tarn::lake
