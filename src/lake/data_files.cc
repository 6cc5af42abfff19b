#include "lake/data_files.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "codec/hash.h"
#include "lake/log_schema.h"
#include "lake/table.h"
#include "parquet/writer.h"

namespace tarn::lake {
namespace {

// Free text spans the alphabet in every file: its smallest and largest value exclude none.
const std::set<std::string_view> kWithoutBounds = {kRawColumn, kRawBytesColumn, "request", "target",
                                                   "query",    "referer",       "agent"};
constexpr size_t kSampleRows = 512;
constexpr size_t kFewRows = 1024;  // of no consequence how they are written

// How many different values a column has, from a sample's hashes. Chao's estimator: A. Chao,
// "Nonparametric estimation of the number of classes in a population", 1984.
double EstimateDistinct(std::vector<uint64_t> sample) {
  std::sort(sample.begin(), sample.end());
  double distinct = 0;
  double once = 0;
  double twice = 0;
  for (size_t i = 0, end = 0; i < sample.size(); i = end) {
    while (end < sample.size() && sample[end] == sample[i]) ++end;
    ++distinct;
    once += end - i == 1;
    twice += end - i == 2;
  }
  return distinct + once * (once - 1) / (2 * (twice + 1));
}

// Whether the values of a text column stand there less than twice on average: then a dictionary
// costs time and space.
bool SeldomRepeats(const event::Column& column) {
  if (!column.is_bytes() || column.size() < kFewRows) return false;
  std::vector<uint64_t> sample;
  // Neighbours are alike more often than not, so the sample is spread over the rows.
  const size_t stride = column.size() / kSampleRows;
  for (size_t row = 0; row < column.size(); row += stride) {
    if (!column.IsNull(row)) sample.push_back(codec::Xxh3(column.BytesAt(row)));
  }
  const auto values = static_cast<double>(sample.size() * stride);
  return EstimateDistinct(std::move(sample)) * 2 > values;
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
  const std::string key = DataKey(target.name, hour, work_.random.NewUuidV7(work_.clock.Now()));
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
