#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/table_metadata.h"

namespace tarn::iceberg {

// Changes to TableMetadata, without I/O. What they leave is consistent, or they answer an error and
// change nothing. A table is then written with PrepareMetadata (commit.h).

struct NewTableOptions {
  std::string location;  // URL
  // Field ids that are all different and above 0 are taken as the caller's own, which `partition`
  // may refer to; ids are assigned anew either way, 1…n.
  event::Schema schema;
  std::vector<PartitionField> partition;  // PartitionBy(schema, …); field ids are assigned
  Properties properties;
  std::string uuid;  // FormatUuid(random.NewUuidV7(now))
  int64_t now_ms = 0;
};
// InvalidArgument for a schema or a partition field that cannot be. One sort order: unsorted.
Result<TableMetadata> NewTable(NewTableOptions options);

// A partition field over a column of `schema` with the name other writers give: ts_hour, id_bucket.
// InvalidArgument for an unknown column.
Result<PartitionField> PartitionBy(const event::Schema& schema, std::string_view column,
                                   std::string_view transform);

// Adds a schema (its ids are kept), or finds the identical one; answers its id. last_column_id
// advances.
Result<int32_t> AddSchema(TableMetadata& table, event::Schema schema);
Status SetCurrentSchema(TableMetadata& table, int32_t schema_id);
// Edits a copy of the current schema (with AddColumn and so on of schema_json.h), adds it and makes
// it the current one. A column that the default spec or an identifier uses cannot be dropped.
Status EvolveSchema(TableMetadata& table,
                    const std::function<Status(event::Schema&, int32_t& last_column_id)>& edit);

// Adds a spec (field_id 0: assigned; a field that an older spec had gets its old id), or finds the
// identical one; answers its id.
Result<int32_t> AddSpec(TableMetadata& table, std::vector<PartitionField> fields);
Status SetDefaultSpec(TableMetadata& table, int32_t spec_id);

Result<int32_t> AddSortOrder(TableMetadata& table, std::vector<SortField> fields);
Status SetDefaultSortOrder(TableMetadata& table, int32_t order_id);

// Conflict unless the sequence number is above the last; adding the same id again is fine.
Status AddSnapshot(TableMetadata& table, Snapshot snapshot);
// NotFound for an unknown snapshot. "main" also moves current_snapshot_id and the snapshot log.
Status SetRef(TableMetadata& table, const std::string& name, const SnapshotRef& ref);
void RemoveRef(TableMetadata& table, const std::string& name);
// Also from the log; a ref to one of them is InvalidArgument.
Status RemoveSnapshots(TableMetadata& table, const std::vector<int64_t>& ids);

}  // namespace tarn::iceberg
