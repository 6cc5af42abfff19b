#include "lake/compaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/id.h"
#include "iceberg/scan.h"
#include "lake/damage.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

using event::Field;
using event::TypeKind;

// Rows handed to the Parquet writer at a time: enough to make its calls cheap.
constexpr size_t kBatchRows = 16'384;
constexpr size_t kBatchBytes = 16u << 20;
// Of a row group in memory form.
constexpr uint64_t kRowGroupBytes = 64u << 20;

std::string Quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  return out + "\"";
}

// The one table a rewrite reads: files chosen beforehand, under the table's columns of today.
class ChosenFiles final : public sql::TableResolver {
 public:
  ChosenFiles(event::Schema schema, std::vector<std::string> paths)
      : schema_(std::move(schema)), paths_(std::move(paths)) {}

  Result<std::vector<sql::TableName>> List() override { return std::vector{kName}; }
  Result<std::vector<sql::TableInfo>> Describe(const std::vector<sql::TableName>& names) override {
    return std::vector(names.size(), sql::TableInfo{kName, schema_, "", ""});
  }
  Result<std::vector<std::string>> Files(const sql::TableInfo& /*table*/,
                                         const event::Filter& /*filter*/) override {
    return paths_;
  }

 private:
  static inline const sql::TableName kName{"lake", "chosen"};
  const event::Schema schema_;
  const std::vector<std::string> paths_;
};

Status AppendUuid(const sql::Cell& cell, event::Column& column) {
  std::string text;
  cell.AppendText(text);
  const auto uuid = ParseUuid(text);
  if (!uuid) return Internal(fmt::format("'{}' is no uuid", text));
  column.AppendBytes({reinterpret_cast<const char*>(uuid->bytes.data()), uuid->bytes.size()});
  return {};
}

Status AppendCell(const sql::Cell& cell, TypeKind kind, event::Column& column) {
  if (cell.is_null()) {
    column.AppendNull();
  } else if (kind == TypeKind::kBoolean) {
    column.AppendInt(cell.Bool() ? 1 : 0);
  } else if (kind == TypeKind::kUuid) {
    return AppendUuid(cell, column);
  } else if (column.is_bytes()) {
    column.AppendBytes(cell.Bytes());
  } else if (column.is_double()) {
    column.AppendDouble(cell.Double());
  } else {
    column.AppendInt(cell.Int());
  }
  return {};
}

Status AppendChunk(const sql::Chunk& chunk, const event::Schema& columns,
                   event::ColumnBatch& rows) {
  for (size_t index = 0; index < columns.fields.size(); ++index) {
    const TypeKind kind = columns.fields[index].type.kind;
    event::Column& column = rows.column(index);
    for (size_t row = 0; row < chunk.rows(); ++row) {
      TARN_TRY(AppendCell(chunk.At(index, row), kind, column));
    }
  }
  return {};
}

// The hour a table's rows are partitioned by, or why it cannot be rewritten here.
Status CheckTable(const iceberg::TableMetadata& table) {
  const iceberg::PartitionSpec& spec = table.spec();
  if (spec.fields.size() != 1 ||
      spec.fields.front().transform.kind != iceberg::TransformKind::kHour ||
      table.schema().FindById(spec.fields.front().source_id) == nullptr) {
    return Unsupported("only tables partitioned by hour are compacted");
  }
  for (const Field& field : table.schema().fields) {
    if (field.type.nested() || field.type.kind == TypeKind::kDecimal) {
      return Unsupported(fmt::format("column '{}' of type {} cannot be rewritten", field.name,
                                     event::TypeName(field.type)));
    }
  }
  return {};
}

struct SmallFile {
  std::string url;
  int64_t rows;
  int64_t bytes;
  int64_t sequence_number;
};

// Takes away the largest while it outweighs all the others.
void DropOutweighing(std::vector<SmallFile>& files) {
  std::sort(files.begin(), files.end(),
            [](const SmallFile& left, const SmallFile& right) { return left.bytes < right.bytes; });
  int64_t others = 0;
  for (const SmallFile& file : files) others += file.bytes;
  while (!files.empty()) {
    others -= files.back().bytes;
    if (files.back().bytes <= others) return;
    files.pop_back();
  }
}

// Cuts an hour's files, in the order they were written, into groups of the target size.
void CutGroups(Hour hour, std::vector<SmallFile> files, const CompactionPolicy& policy,
               std::vector<CompactionGroup>& groups) {
  const auto name_of = [](const SmallFile& file) {
    return std::string_view(file.url).substr(file.url.rfind('/') + 1);
  };
  std::sort(files.begin(), files.end(), [&](const SmallFile& left, const SmallFile& right) {
    return name_of(left) < name_of(right);
  });
  CompactionGroup group;
  const auto end_group = [&] {
    group.hour = hour;
    if (group.urls.size() > 1) groups.push_back(std::move(group));
    group = {};
  };
  for (SmallFile& file : files) {
    if (group.bytes + file.bytes > policy.target_bytes || group.urls.size() == policy.max_files) {
      end_group();
    }
    group.rows += file.rows;
    group.bytes += file.bytes;
    group.sequence_number = std::max(group.sequence_number, file.sequence_number);
    group.urls.push_back(std::move(file.url));
  }
  end_group();
}

}  // namespace

Result<CompactionPlan> PlanCompaction(const Workspace& work, const iceberg::TableMetadata& table,
                                      const CompactionPolicy& policy) {
  CompactionPlan plan;
  plan.snapshot_id = table.current_snapshot_id.value_or(0);
  TARN_TRY(CheckTable(table));
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan all,
                        iceberg::PlanFiles(work.store, work.manifests, table, std::nullopt, {}));
  plan.live_files = static_cast<int64_t>(all.files.size());
  std::map<int64_t, std::vector<SmallFile>> by_hour;
  std::vector<SmallFile> undated;
  for (const iceberg::PlannedFile& planned : all.files) {
    const iceberg::DataFile& file = planned.file;
    if (file.spec_id != table.default_spec_id || file.partition.size() != 1 ||
        !planned.deletes.empty() || file.format != "PARQUET") {
      ++plan.left_alone;
      continue;
    }
    if (file.file_size_in_bytes >= policy.small_bytes) continue;
    const auto* hour = std::get_if<int64_t>(&file.partition.front());
    (hour == nullptr ? undated : by_hour[*hour])
        .push_back(
            {file.path, file.record_count, file.file_size_in_bytes, planned.sequence_number});
  }
  const auto add = [&](Hour hour, std::vector<SmallFile> files, size_t least) {
    if (files.size() < least) return;
    DropOutweighing(files);
    if (files.size() >= least) CutGroups(hour, std::move(files), policy, plan.groups);
  };
  const int64_t now = work.clock.Now().micros;
  for (auto& [hour, files] : by_hour) {
    const bool closed = (hour + 1) * kMicrosPerHour + policy.lateness_micros <= now;
    add(hour, std::move(files), closed ? policy.min_files : policy.open_min_files);
  }
  add(std::nullopt, std::move(undated), policy.open_min_files);
  return plan;
}

Status Compactor::CopyRows(sql::Session& session, const std::string& statement,
                           const event::Schema& columns, parquet::FileWriter& writer) {
  TARN_ASSIGN_OR_RETURN(const auto result, session.Run(statement));
  event::ColumnBatch rows(columns);
  for (;;) {
    if (interrupted_) return Cancelled("maintenance is stopping");
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result->Next());
    if (chunk != nullptr) TARN_TRY(AppendChunk(*chunk, columns, rows));
    if (rows.rows() > 0 &&
        (chunk == nullptr || rows.rows() >= kBatchRows || rows.memory_bytes() >= kBatchBytes)) {
      TARN_TRY(writer.Write(rows));
      rows.Clear();
    }
    if (chunk == nullptr) return {};
  }
}

Status Compactor::CheckGroup(const iceberg::TableMetadata& table,
                             const catalog::DatasetName& dataset, const CompactionGroup& group) {
  const std::set<std::string_view> urls(group.urls.begin(), group.urls.end());
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan,
                        iceberg::PlanFiles(work_.store, work_.manifests, table, std::nullopt, {}));
  const auto go_on = [this]() -> Status {
    if (interrupted_) return Cancelled("maintenance is stopping");
    return {};
  };
  for (const iceberg::PlannedFile& planned : plan.files) {
    if (!urls.contains(planned.file.path)) continue;
    TARN_TRY(CheckWhole(store_, dataset.ToString(), planned.file, go_on));
  }
  return {};
}

Result<iceberg::DataFile> Compactor::Rewrite(const iceberg::TableMetadata& table,
                                             const catalog::DatasetName& dataset,
                                             const CompactionGroup& group) {
  const event::Schema& columns = table.schema();
  std::vector<std::string> paths;
  for (const std::string& url : group.urls) {
    TARN_ASSIGN_OR_RETURN(const std::string key, store_.KeyOf(url));
    paths.push_back(store_.PathOf(key));
  }
  std::string names;
  for (const Field& field : columns.fields) {
    names += (names.empty() ? "" : ", ") + Quoted(field.name);
  }
  const Field* time = columns.FindById(table.spec().fields.front().source_id);
  const std::string statement =
      fmt::format("SELECT {} FROM lake.chosen ORDER BY {}", names, Quoted(time->name));
  const std::string key = DataKey(dataset, group.hour, work_.random.NewUuidV7(work_.clock.Now()));
  TARN_ASSIGN_OR_RETURN(auto sink, work_.store.OpenWriter(key));
  parquet::WriterOptions options;
  options.row_group_bytes = kRowGroupBytes;
  TARN_ASSIGN_OR_RETURN(const auto writer,
                        parquet::FileWriter::Open(std::move(sink), columns, options));
  ChosenFiles chosen(columns, std::move(paths));
  const auto session = sql::Session::Open(engine_, chosen);
  {
    os::MutexLock lock(mutex_);
    running_ = session.get();
  }
  const Status copied = CopyRows(*session, statement, columns, *writer);
  {
    os::MutexLock lock(mutex_);
    running_ = nullptr;
  }
  TARN_TRY(copied);
  if (writer->rows() != group.rows) {
    return DataLoss(fmt::format("{} files hold {} rows where their manifests count {}",
                                group.urls.size(), writer->rows(), group.rows));
  }
  TARN_ASSIGN_OR_RETURN(const parquet::FileStats stats, writer->Finish());
  iceberg::DataFile file = DescribeFile(columns, stats, work_.store.UrlOf(key));
  file.spec_id = table.default_spec_id;
  file.partition = {group.hour ? iceberg::Value(*group.hour) : iceberg::Value()};
  return file;
}

Result<CompactionResult> Compactor::Compact(Committer& committer,
                                            const catalog::DatasetName& dataset,
                                            const CompactionGroup& group) {
  if (interrupted_) return Cancelled("maintenance is stopping");
  TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, committer.Table(dataset));
  const Timestamp started = work_.clock.Now();
  TARN_TRY(CheckGroup(table, dataset, group));
  TARN_ASSIGN_OR_RETURN(iceberg::DataFile file, Rewrite(table, dataset, group));
  CompactionResult result;
  result.files = static_cast<int64_t>(group.urls.size());
  result.rows = group.rows;
  result.bytes_in = group.bytes;
  result.bytes_out = file.file_size_in_bytes;
  CommitRequest request;
  request.tables.push_back({dataset, {.operation = "replace", .removed_paths = group.urls}});
  iceberg::SnapshotChange& change = request.tables.front().change;
  change.added.push_back(std::move(file));
  // Deletes another engine has written since apply to the new file as they did to the old ones.
  change.data_sequence_number = group.sequence_number;
  change.removed_without_deletes = true;
  change.summary["tarn.job"] = "compact";
  request.commit.run.run_id = FormatUuid(work_.random.NewUuidV7(started));
  request.commit.run.job = "compact";
  request.commit.run.started = started;
  request.commit.run.ended = work_.clock.Now();
  request.commit.run.inputs = {{dataset, table.current_snapshot_id.value_or(0)}};
  request.commit.audit = {
      .who = "maintenance", .action = "table.compact", .object = dataset.ToString()};
  const auto receipt = committer.Run(request);
  if (!receipt.ok() && receipt.error().code() != Code::kConflict) return receipt.error();
  result.done = receipt.ok();
  return result;
}

void Compactor::Interrupt() {
  interrupted_ = true;
  os::MutexLock lock(mutex_);
  if (running_ != nullptr) running_->Interrupt();
}

}  // namespace tarn::lake
