#pragma once

// Arrow's headers are included by this module's sources alone: they cost 2 s a translation unit.
#include <arrow/api.h>

#include "base/result.h"
#include "event/column_batch.h"
#include "event/schema.h"

namespace tarn::parquet {

// The Arrow field a lake column is written as, with its field id. Unsupported for nested kinds and
// decimals.
Result<std::shared_ptr<arrow::Field>> ArrowField(const event::Field& field);

struct BuiltArray {
  std::shared_ptr<arrow::Array> array;
  int64_t nulls = 0;
  int64_t nan_nulled = 0;  // part of nulls
};

// Rows [begin, end) of a column as an Arrow array of ArrowField's type. Values are borrowed from
// the column where the layouts agree (64-bit ints, doubles, bytes), so the array must not outlive
// it. The bytes of the rows must be fewer than 2^31.
Result<BuiltArray> BuildArray(const event::Column& column, const event::Field& field, size_t begin,
                              size_t end);

}  // namespace tarn::parquet
