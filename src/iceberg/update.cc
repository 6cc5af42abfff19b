#include "iceberg/update.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "iceberg/schema_json.h"

namespace tarn::iceberg {
namespace {

using event::Field;
using event::Schema;

// Every id above 0 and no two alike.
bool CollectIds(const std::vector<Field>& fields, std::set<int32_t>& seen) {
  return std::all_of(fields.begin(), fields.end(), [&](const Field& field) {
    return field.id > 0 && seen.insert(field.id).second && CollectIds(field.type.children, seen);
  });
}

void MapIds(const std::vector<Field>& from, const std::vector<Field>& to,
            std::map<int32_t, int32_t>& ids) {
  for (size_t i = 0; i < from.size(); ++i) {
    ids[from[i].id] = to[i].id;
    MapIds(from[i].type.children, to[i].type.children, ids);
  }
}

Status CheckNames(const std::vector<Field>& fields) {
  std::set<std::string_view> names;
  for (const auto& field : fields) {
    if (field.name.empty()) return InvalidArgument("a column needs a name");
    if (!names.insert(field.name).second) {
      return InvalidArgument("two columns are named '" + field.name + "'");
    }
    TARN_TRY(CheckNames(field.type.children));
  }
  return {};
}

Status CheckPartitionFields(const Schema& schema, const std::vector<PartitionField>& fields) {
  std::set<std::string_view> names;
  std::set<std::pair<int32_t, std::string>> pairs;
  for (const auto& field : fields) {
    const Field* source = FindField(schema, field.source_id);
    const bool is_void = field.transform.kind == TransformKind::kVoid;
    if (source == nullptr && !is_void) {
      return InvalidArgument(
          fmt::format("partition field '{}': there is no column {}", field.name, field.source_id));
    }
    if (source != nullptr && !TransformResultType(field.transform, source->type)) {
      return InvalidArgument(fmt::format("partition field '{}': {} cannot be applied to type {}",
                                         field.name, TransformText(field.transform),
                                         event::TypeName(source->type)));
    }
    if (field.name.empty() || !names.insert(field.name).second) {
      return InvalidArgument("partition fields need names of their own");
    }
    const Field* same_name = schema.Find(field.name);
    const bool may_share = field.transform.kind == TransformKind::kIdentity || is_void;
    if (same_name != nullptr && !(may_share && same_name->id == field.source_id)) {
      return InvalidArgument("partition field '" + field.name + "' has the name of a column");
    }
    if (!is_void && !pairs.emplace(field.source_id, TransformText(field.transform)).second) {
      return InvalidArgument("partition field '" + field.name + "' repeats another one");
    }
  }
  return {};
}

// Drops what a column that is gone leaves behind is refused, not repaired.
Status CheckStillThere(const TableMetadata& table, const Schema& next) {
  for (const auto& field : table.spec().fields) {
    if (field.transform.kind == TransformKind::kVoid) continue;
    if (FindField(next, field.source_id) == nullptr) {
      return InvalidArgument("partition field '" + field.name + "' needs the column");
    }
  }
  const auto identifiers = table.identifier_field_ids.find(table.current_schema_id);
  if (identifiers == table.identifier_field_ids.end()) return {};
  for (const int32_t id : identifiers->second) {
    if (FindField(next, id) == nullptr) {
      return InvalidArgument(fmt::format("column {} identifies rows", id));
    }
  }
  return {};
}

template <typename T>
int32_t NextId(const std::vector<T>& items) {
  int32_t next = 0;
  for (const auto& item : items) next = std::max(next, item.id + 1);
  return next;
}

void GiveFieldIds(TableMetadata& table, std::vector<PartitionField>& fields) {
  for (auto& field : fields) {
    if (field.field_id == 0) {
      for (const auto& spec : table.specs) {
        for (const auto& old : spec.fields) {
          const bool same = old.source_id == field.source_id && old.transform == field.transform;
          if (same) field.field_id = old.field_id;
        }
      }
    }
    if (field.field_id == 0) field.field_id = table.last_partition_id + 1;
    table.last_partition_id = std::max(table.last_partition_id, field.field_id);
  }
}

}  // namespace

Result<PartitionField> PartitionBy(const Schema& schema, std::string_view column,
                                   std::string_view transform) {
  const Field* source = FindFieldByPath(schema, column);
  if (source == nullptr) {
    return InvalidArgument("there is no column '" + std::string(column) + "'");
  }
  PartitionField field;
  field.source_id = source->id;
  field.transform = ParseTransform(transform);
  const std::string name(column);
  switch (field.transform.kind) {
    case TransformKind::kIdentity:
      field.name = name;
      break;
    case TransformKind::kBucket:
      field.name = name + "_bucket";
      break;
    case TransformKind::kTruncate:
      field.name = name + "_trunc";
      break;
    case TransformKind::kVoid:
      field.name = name + "_null";
      break;
    case TransformKind::kUnknown:
      return InvalidArgument("unknown partition transform '" + std::string(transform) + "'");
    default:
      field.name = name + "_" + std::string(transform);
  }
  return field;
}

Result<TableMetadata> NewTable(NewTableOptions options) {
  TableMetadata table;
  table.table_uuid = std::move(options.uuid);
  table.location = std::move(options.location);
  while (table.location.ends_with('/')) table.location.pop_back();
  if (table.location.empty()) return InvalidArgument("a table needs a location");
  table.last_updated_ms = options.now_ms;
  table.properties = std::move(options.properties);
  TARN_TRY(CheckNames(options.schema.fields));

  Schema schema = options.schema;
  schema.id = 0;
  table.last_column_id = AssignFieldIds(schema, 1);
  std::set<int32_t> seen;
  if (CollectIds(options.schema.fields, seen)) {
    std::map<int32_t, int32_t> ids;
    MapIds(options.schema.fields, schema.fields, ids);
    for (auto& field : options.partition) {
      const auto found = ids.find(field.source_id);
      if (found != ids.end()) field.source_id = found->second;
    }
  }
  TARN_TRY(CheckPartitionFields(schema, options.partition));
  for (auto& field : options.partition) field.field_id = 0;
  GiveFieldIds(table, options.partition);
  table.schemas.push_back(std::move(schema));
  table.specs.push_back({0, std::move(options.partition)});
  table.sort_orders.push_back({0, {}});
  return table;
}

Result<int32_t> AddSchema(TableMetadata& table, Schema schema) {
  TARN_TRY(CheckNames(schema.fields));
  std::set<int32_t> seen;
  if (!CollectIds(schema.fields, seen)) {
    return InvalidArgument("the schema's field ids are not all different and above 0");
  }
  for (const auto& old : table.schemas) {
    if (old.fields == schema.fields) return old.id;
  }
  schema.id = NextId(table.schemas);
  table.last_column_id = std::max(table.last_column_id, HighestFieldId(schema));
  table.schemas.push_back(std::move(schema));
  return table.schemas.back().id;
}

Status SetCurrentSchema(TableMetadata& table, int32_t schema_id) {
  if (table.FindSchema(schema_id) == nullptr) {
    return InvalidArgument(fmt::format("there is no schema {}", schema_id));
  }
  table.current_schema_id = schema_id;
  return {};
}

Status EvolveSchema(TableMetadata& table,
                    const std::function<Status(Schema&, int32_t& last_column_id)>& edit) {
  Schema next = table.schema();
  int32_t last_column_id = table.last_column_id;
  TARN_TRY(edit(next, last_column_id));
  TARN_TRY(CheckStillThere(table, next));
  TARN_TRY(CheckNames(next.fields));
  const auto identifiers = table.identifier_field_ids.find(table.current_schema_id);
  const std::vector<int32_t> kept = identifiers == table.identifier_field_ids.end()
                                        ? std::vector<int32_t>()
                                        : identifiers->second;
  TARN_ASSIGN_OR_RETURN(const int32_t id, AddSchema(table, std::move(next)));
  table.last_column_id = std::max(table.last_column_id, last_column_id);
  table.current_schema_id = id;
  if (!kept.empty()) table.identifier_field_ids[id] = kept;
  return {};
}

Result<int32_t> AddSpec(TableMetadata& table, std::vector<PartitionField> fields) {
  TARN_TRY(CheckPartitionFields(table.schema(), fields));
  for (const auto& spec : table.specs) {
    const bool same =
        std::equal(spec.fields.begin(), spec.fields.end(), fields.begin(), fields.end(),
                   [](const PartitionField& left, const PartitionField& right) {
                     return left.source_id == right.source_id && left.name == right.name &&
                            left.transform == right.transform &&
                            (right.field_id == 0 || right.field_id == left.field_id);
                   });
    if (same) return spec.id;
  }
  GiveFieldIds(table, fields);
  table.specs.push_back({NextId(table.specs), std::move(fields)});
  return table.specs.back().id;
}

Status SetDefaultSpec(TableMetadata& table, int32_t spec_id) {
  if (table.FindSpec(spec_id) == nullptr) {
    return InvalidArgument(fmt::format("there is no partition spec {}", spec_id));
  }
  table.default_spec_id = spec_id;
  return {};
}

Result<int32_t> AddSortOrder(TableMetadata& table, std::vector<SortField> fields) {
  for (const auto& order : table.sort_orders) {
    if (order.fields == fields) return order.id;
  }
  for (const auto& field : fields) {
    if (FindField(table.schema(), field.source_id) == nullptr) {
      return InvalidArgument(fmt::format("sort order: there is no column {}", field.source_id));
    }
  }
  // 0 means unsorted.
  const int32_t id = fields.empty() ? 0 : std::max(1, NextId(table.sort_orders));
  table.sort_orders.push_back({id, std::move(fields)});
  return id;
}

Status SetDefaultSortOrder(TableMetadata& table, int32_t order_id) {
  const auto known = [&](const SortOrder& order) { return order.id == order_id; };
  if (std::none_of(table.sort_orders.begin(), table.sort_orders.end(), known)) {
    return InvalidArgument(fmt::format("there is no sort order {}", order_id));
  }
  table.default_sort_order_id = order_id;
  return {};
}

Status AddSnapshot(TableMetadata& table, Snapshot snapshot) {
  if (table.FindSnapshot(snapshot.id) != nullptr) return {};
  if (snapshot.id <= 0) return InvalidArgument("a snapshot id is above 0");
  if (snapshot.sequence_number <= table.last_sequence_number) {
    return Conflict(fmt::format("sequence number {} is not above the last one, {}",
                                snapshot.sequence_number, table.last_sequence_number));
  }
  if (snapshot.parent_id && snapshot.schema_id &&
      table.FindSchema(*snapshot.schema_id) == nullptr) {
    return InvalidArgument("the snapshot's schema is missing");
  }
  table.last_sequence_number = snapshot.sequence_number;
  table.last_updated_ms = std::max(table.last_updated_ms, snapshot.timestamp_ms);
  table.snapshots.push_back(std::move(snapshot));
  return {};
}

Status SetRef(TableMetadata& table, const std::string& name, const SnapshotRef& ref) {
  const Snapshot* snapshot = table.FindSnapshot(ref.snapshot_id);
  if (snapshot == nullptr) {
    return NotFound(fmt::format("there is no snapshot {}", ref.snapshot_id));
  }
  if (name == kMainBranch) {
    if (!ref.is_branch) return InvalidArgument("main is a branch");
    if (table.current_snapshot_id != ref.snapshot_id) {
      const int64_t at = std::max(table.last_updated_ms, snapshot->timestamp_ms);
      table.snapshot_log.push_back({at, ref.snapshot_id});
      table.last_updated_ms = at;
    }
    table.current_snapshot_id = ref.snapshot_id;
  }
  table.refs[name] = ref;
  return {};
}

void RemoveRef(TableMetadata& table, const std::string& name) {
  table.refs.erase(name);
  if (name == kMainBranch) {
    table.current_snapshot_id.reset();
    table.snapshot_log.clear();
  }
}

Status RemoveSnapshots(TableMetadata& table, const std::vector<int64_t>& ids) {
  const std::set<int64_t> gone(ids.begin(), ids.end());
  for (const auto& [name, ref] : table.refs) {
    if (gone.contains(ref.snapshot_id)) {
      return InvalidArgument("ref '" + name + "' points to a snapshot to remove");
    }
  }
  std::erase_if(table.snapshots, [&](const Snapshot& s) { return gone.contains(s.id); });
  // History before a gap would be wrong, so the log starts after the last removed snapshot.
  const auto last_gone =
      std::find_if(table.snapshot_log.rbegin(), table.snapshot_log.rend(),
                   [&](const SnapshotLogEntry& entry) { return gone.contains(entry.snapshot_id); });
  table.snapshot_log.erase(table.snapshot_log.begin(), last_gone.base());
  for (codec::Json* statistics : {&table.statistics, &table.partition_statistics}) {
    if (statistics->AsArray() == nullptr) continue;
    std::erase_if(*statistics->AsArray(), [&](const codec::Json& item) {
      const auto id = item.GetInt("snapshot-id");
      return id.ok() && gone.contains(*id);
    });
  }
  return {};
}

}  // namespace tarn::iceberg
