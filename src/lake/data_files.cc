#include "lake/data_files.h"

#include <map>
#include <utility>

#include "lake/log_schema.h"
#include "lake/table.h"
#include "parquet/file_writer.h"

namespace tarn::lake {
namespace {

// Texts that are whole lines, or nearly: a dictionary and bounds of them cost time and find
// nothing.
parquet::WriterOptions OptionsFor(const event::Schema& columns) {
  parquet::WriterOptions options;
  for (const event::Field& field : columns.fields) {
    if (field.name == kRawColumn || field.name == kRawBytesColumn || field.name == "request") {
      options.without_dictionary.push_back(field.id);
      options.without_bounds.push_back(field.id);
    } else if (field.name == "target") {
      options.without_dictionary.push_back(field.id);
    }
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
      parquet::FileWriter::Open(std::move(sink), target.columns, OptionsFor(target.columns)));
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
