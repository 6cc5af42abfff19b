#include "lake/data_files.h"

#include <map>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "lake/log_schema.h"
#include "lake/table.h"
#include "parquet/file_writer.h"

namespace tarn::lake {
namespace {

// Free text spans the alphabet in every file: its smallest and largest value exclude none.
const std::set<std::string_view> kWithoutBounds = {kRawColumn, kRawBytesColumn, "request", "target",
                                                   "query",    "referer",       "agent"};
constexpr size_t kSampleRows = 256;
constexpr size_t kFewRows = 1024;  // of no consequence how they are written

// Whether most values of a text column stand there once: then a dictionary costs time and space.
bool SeldomRepeats(const event::Column& column) {
  if (!column.is_bytes() || column.size() < kFewRows) return false;
  std::unordered_set<std::string_view> seen;
  size_t values = 0;
  // Neighbours are alike more often than not, so the sample is spread over the rows.
  const size_t stride = column.size() / kSampleRows;
  for (size_t row = 0; row < column.size(); row += stride) {
    if (column.IsNull(row)) continue;
    ++values;
    seen.insert(column.BytesAt(row));
  }
  return seen.size() * 2 > values;
}

parquet::WriterOptions OptionsFor(const event::Schema& columns, const event::ColumnBatch& rows) {
  parquet::WriterOptions options;
  for (size_t i = 0; i < columns.fields.size(); ++i) {
    const event::Field& field = columns.fields[i];
    if (SeldomRepeats(rows.column(i))) options.without_dictionary.push_back(field.id);
    if (kWithoutBounds.contains(field.name)) options.without_bounds.push_back(field.id);
  }
  return options;
}

}  // namespace

Result<iceberg::DataFile> DataFiles::Write(const TableTarget& target, Hour hour,
                                           const event::ColumnBatch& rows) {
  const std::string name = FormatUuid(work_.random.NewUuidV7(work_.clock.Now())) + ".parquet";
  const std::string key = DataKey(target.name, hour, name);
  TARN_ASSIGN_OR_RETURN(auto sink, batch_->OpenWriter(key));
  TARN_ASSIGN_OR_RETURN(
      const auto writer,
      parquet::FileWriter::Open(std::move(sink), target.columns, OptionsFor(target.columns, rows)));
  TARN_TRY(writer->Write(rows));
  TARN_ASSIGN_OR_RETURN(const parquet::FileStats stats, writer->Finish());
  iceberg::DataFile file = DescribeFile(target.columns, stats, work_.store.UrlOf(key));
  file.spec_id = target.table.default_spec_id;
  file.partition = {hour ? iceberg::Value(*hour) : iceberg::Value()};
  return file;
}

Result<std::vector<iceberg::DataFile>> DataFiles::WriteByHour(const TableTarget& target,
                                                              const event::ColumnBatch& rows) {
  const int32_t source_id = target.table.spec().fields.front().source_id;
  const event::Field* source = target.columns.FindById(source_id);
  const event::Column& times =
      rows.column(static_cast<size_t>(source - target.columns.fields.data()));
  std::map<Hour, event::ColumnBatch> by_hour;
  for (size_t row = 0; row < rows.rows(); ++row) {
    const Hour hour = times.IsNull(row) ? Hour() : FloorDiv(times.IntAt(row), kMicrosPerHour);
    by_hour.try_emplace(hour, target.columns).first->second.AppendRowFrom(rows, row);
  }
  std::vector<iceberg::DataFile> files;
  for (const auto& [hour, batch] : by_hour) {
    TARN_ASSIGN_OR_RETURN(auto file, Write(target, hour, batch));
    files.push_back(std::move(file));
  }
  return files;
}

Status DataFiles::Put(const std::string& key, std::string_view bytes) {
  TARN_ASSIGN_OR_RETURN(const auto writer, batch_->OpenWriter(key));
  TARN_TRY(writer->Write(bytes));
  return writer->Finish();
}

}  // namespace tarn::lake
