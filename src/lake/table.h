#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/dataset.h"
#include "event/schema.h"
#include "iceberg/table_metadata.h"
#include "lake/workspace.h"
#include "parquet/writer.h"

namespace tarn::lake {

// What a table is made from if it is not there yet.
struct TableSpec {
  catalog::DatasetName name;
  event::Schema schema;
  std::string partition_column;  // hourly by this timestamptz column
  std::string source;
  std::string description;
};

// The current state of a dataset's table. NotFound if there is no such dataset or it has no table.
Result<iceberg::TableMetadata> LoadTable(const Workspace& work, const catalog::DatasetName& name);

// The same, made first if need be.
Result<iceberg::TableMetadata> OpenOrCreateTable(const Workspace& work, const TableSpec& spec);

// Adds what `wanted` has and the table has not (matched by name), widens int to long and float to
// double. True if anything changed. InvalidArgument, naming the column, for types that cannot be
// reconciled; the table is then as it was.
Result<bool> ReconcileSchema(iceberg::TableMetadata& table, const event::Schema& wanted);

// `columns` with the ids of the table's columns of the same names; all must be there.
event::Schema WithIdsOf(const iceberg::TableMetadata& table, const event::Schema& columns);

// What a manifest says of a written file.
iceberg::DataFile DescribeFile(const event::Schema& columns, const parquet::FileStats& stats,
                               std::string url);

}  // namespace tarn::lake
