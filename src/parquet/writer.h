#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/column_batch.h"
#include "event/schema.h"
#include "store/object_store.h"

namespace tarn::parquet {

struct WriterOptions {
  int zstd_level = 1;
  // Rows of a row group; it is cut earlier once its values in memory pass `row_group_bytes`.
  int64_t row_group_rows = 122'880;
  uint64_t row_group_bytes = 256u << 20;
  // Field ids without min and max, in the file and in FileStats: personal data.
  std::vector<int32_t> without_bounds;
  // Field ids of columns whose values hardly repeat (a raw line, a unique id): no dictionary is
  // tried for them, which saves its CPU time.
  std::vector<int32_t> without_dictionary;
  // Field ids with a Bloom filter (1 % false positives), for equality on high-cardinality columns.
  // Not for boolean columns (the format has none).
  std::vector<int32_t> bloom_filters;
  // Distinct values a row group is expected to hold in a Bloom column; sizes the filter.
  int32_t bloom_distinct_values = 30'000;
};

// What a manifest needs to know of one column.
struct ColumnStats {
  int32_t field_id = 0;
  uint64_t size_bytes = 0;  // compressed, in the file
  int64_t value_count = 0;  // rows, nulls included
  int64_t null_count = 0;
  // How many of the nulls were NaN or infinite when written; double and float columns only. The
  // file holds no NaN.
  std::optional<int64_t> nan_nulled;
  // Smallest and largest value in Iceberg's single-value binary form, not truncated; -0.0 for a
  // lower bound of zero and +0.0 for an upper one. Absent if all values are null, for columns
  // `without_bounds`, and if a row group's smallest or largest value is over 4,096 bytes.
  std::optional<std::string> lower;
  std::optional<std::string> upper;
};

struct FileStats {
  int64_t rows = 0;
  uint64_t size_bytes = 0;
  std::vector<int64_t> split_offsets;  // where each row group starts, ascending
  std::vector<ColumnStats> columns;    // in the schema's order
};

// Writes one Parquet file, row group by row group, into an object. Columns carry their Iceberg
// field ids; a required field is REQUIRED, timestamptz is adjusted to UTC. NaN and infinities
// become null (in a required column: InvalidArgument), -0.0 becomes 0.0. Ints and dates must fit 32
// bits, fixed and uuid values must have their length, a required column must have no null:
// InvalidArgument naming the column, and the file is then given up.
//
// Strings must be UTF-8, or readers refuse the whole column: InvalidArgument as well. Where the
// text is somebody else's, the caller replaces what is none (base/text.h) before it comes here.
//
// Memory: the row group being encoded plus its compressed pages, whatever the file's size. The sink
// sees only appends; it becomes visible by Finish alone, and is dropped when the writer is.
// Thread-confined.
class FileWriter {
 public:
  // Unsupported for nested and decimal fields, InvalidArgument for unknown ids in the options,
  // duplicate ids or names, limits out of range.
  static Result<std::unique_ptr<FileWriter>> Open(std::unique_ptr<store::ObjectWriter> sink,
                                                  const event::Schema& schema,
                                                  const WriterOptions& options = {});
  virtual ~FileWriter() = default;

  // The batch must have been made for the same schema; it is not needed after the call. After an
  // error every further call answers the same error.
  virtual Status Write(const event::ColumnBatch& batch) = 0;
  // Writes the footer and finishes the sink. Nothing may be called afterwards. A file without rows
  // is valid.
  virtual Result<FileStats> Finish() = 0;

  virtual int64_t rows() const = 0;
  // Bytes handed to the sink so far plus an estimate of what is buffered; for cutting files by
  // size.
  virtual uint64_t estimated_bytes() const = 0;
};

}  // namespace tarn::parquet
