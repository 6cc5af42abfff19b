#pragma once

#include <parquet/metadata.h>

#include "event/schema.h"
#include "parquet/writer.h"

namespace tarn::parquet {

// Size, value count and bounds of column `index` over all row groups of a file just written. Null
// counts are the writer's to fill in. May throw parquet::ParquetException.
ColumnStats StatsOfColumn(const ::parquet::FileMetaData& metadata, const event::Field& field,
                          int index);

// Where each row group's first page starts.
std::vector<int64_t> SplitOffsets(const ::parquet::FileMetaData& metadata);

}  // namespace tarn::parquet
