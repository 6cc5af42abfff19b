#pragma once

// Arrow's headers are included by this module's sources alone: they cost 2 s a translation unit.
#include <arrow/type.h>
#include <parquet/column_writer.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <memory>
#include <vector>

#include "base/result.h"
#include "event/column_batch.h"
#include "event/schema.h"

namespace tarn::parquet {

// The Arrow field a lake column is written as, with its field id. Unsupported for nested kinds and
// decimals.
Result<std::shared_ptr<arrow::Field>> ArrowField(const event::Field& field);

struct Rows {
  size_t begin = 0;
  size_t end = 0;  // exclusive
  size_t count() const { return end - begin; }
};

struct Written {
  uint64_t bytes = 0;  // of the values, in memory
  int64_t nulls = 0;
  int64_t nan_nulled = 0;  // part of nulls
};

// Hands rows of columns to Arrow's writers in the form they take: the values that are there, end to
// end, and for each row whether it has one. Keeps its memory from call to call: some 20 bytes for
// each row of the longest, and the texts of the largest column with a dictionary.
class ColumnChunks {
 public:
  // To the chunk of a column written as ArrowField(field). InvalidArgument, naming the column, for
  // values it cannot hold.
  Result<Written> Write(const event::Column& column, const event::Field& field, Rows rows,
                        ::parquet::ColumnWriter& chunk);

 private:
  struct Slice;

  Status WriteValues(const Slice& slice, ::parquet::ColumnWriter& chunk, Written& written);
  Status WriteBooleans(const Slice& slice, ::parquet::ColumnWriter& chunk);
  Status WriteLongs(const Slice& slice, ::parquet::ColumnWriter& chunk);
  Status WriteNarrowed(const Slice& slice, ::parquet::ColumnWriter& chunk);
  template <typename ParquetType, typename T>
  Status WriteFloating(const Slice& slice, std::vector<T>& values, ::parquet::ColumnWriter& chunk,
                       Written& written);
  Status WriteTexts(const Slice& slice, ::parquet::ColumnWriter& chunk, Written& written);
  void Gather(uint64_t bytes);
  Status WriteFixed(const Slice& slice, ::parquet::ColumnWriter& chunk, Written& written);

  std::vector<int16_t> levels_;
  std::vector<int32_t> ints_;
  std::vector<int64_t> longs_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
  std::unique_ptr<bool[]> booleans_;
  size_t booleans_size_ = 0;
  std::vector<::parquet::ByteArray> texts_;
  std::vector<uint8_t> gathered_;  // the texts of a column with a dictionary
  std::vector<::parquet::FixedLenByteArray> fixed_;
};

}  // namespace tarn::parquet
