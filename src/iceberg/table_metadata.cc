#include "iceberg/table_metadata.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "iceberg/schema_json.h"

namespace tarn::iceberg {
namespace {

using codec::Json;

// Members this version knows by name; all others are kept as they are.
constexpr std::array<std::string_view, 24> kKnown = {"format-version",
                                                     "table-uuid",
                                                     "location",
                                                     "last-sequence-number",
                                                     "last-updated-ms",
                                                     "last-column-id",
                                                     "schemas",
                                                     "current-schema-id",
                                                     "partition-specs",
                                                     "default-spec-id",
                                                     "last-partition-id",
                                                     "sort-orders",
                                                     "default-sort-order-id",
                                                     "properties",
                                                     "current-snapshot-id",
                                                     "snapshots",
                                                     "snapshot-log",
                                                     "metadata-log",
                                                     "refs",
                                                     "statistics",
                                                     "partition-statistics",
                                                     "schema",
                                                     "partition-spec",
                                                     "snapshot-id"};
constexpr std::array<std::string_view, 7> kKnownOfSnapshot = {
    "snapshot-id", "parent-snapshot-id", "sequence-number", "timestamp-ms", "manifest-list",
    "summary",     "schema-id"};

template <typename Names>
Json Unknown(const Json& json, const Names& known) {
  Json extra;
  for (const auto& [key, value] : *json.AsObject()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) extra.Set(key, value);
  }
  return extra;
}

void SetAll(Json& json, const Json& extra) {
  if (extra.AsObject() == nullptr) return;
  for (const auto& [key, value] : *extra.AsObject()) json.Set(key, value);
}

Json PropertiesToJson(const Properties& properties) {
  Json::Object object;
  for (const auto& [key, value] : properties) object.emplace_back(key, value);
  return object;
}

Result<Properties> PropertiesFromJson(const Json* json) {
  Properties properties;
  if (json == nullptr || json->is_null()) return properties;
  if (json->AsObject() == nullptr) return InvalidArgument("properties are no object");
  for (const auto& [key, value] : *json->AsObject()) {
    if (value.AsString() == nullptr) return InvalidArgument("property '" + key + "' is no string");
    properties[key] = *value.AsString();
  }
  return properties;
}

// A member that may be missing, null, or (current-snapshot-id of old writers) -1.
Result<std::optional<int64_t>> OptionalInt(const Json& json, std::string_view key) {
  const Json* member = json.Find(key);
  if (member == nullptr || member->is_null()) return std::optional<int64_t>();
  if (member->AsInt() == nullptr) {
    return InvalidArgument("'" + std::string(key) + "' is not an integer");
  }
  return std::optional<int64_t>(*member->AsInt());
}

Result<int32_t> Int32(const Json& json, std::string_view key) {
  TARN_ASSIGN_OR_RETURN(const int64_t value, json.GetInt(key));
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
    return InvalidArgument("'" + std::string(key) + "' is out of range");
  }
  return static_cast<int32_t>(value);
}

Result<const Json::Array*> ArrayOf(const Json& json, std::string_view key, bool required) {
  static const Json::Array kEmpty;
  const Json* member = json.Find(key);
  if (member == nullptr || member->is_null()) {
    if (required) return InvalidArgument("'" + std::string(key) + "' is missing");
    return &kEmpty;
  }
  if (member->AsArray() == nullptr) {
    return InvalidArgument("'" + std::string(key) + "' is not an array");
  }
  return member->AsArray();
}

template <typename T>
bool IdsAreUnique(const std::vector<T>& items) {
  std::set<int64_t> seen;
  return std::all_of(items.begin(), items.end(),
                     [&](const T& item) { return seen.insert(item.id).second; });
}

template <typename T, typename Id>
const T* FindId(const std::vector<T>& items, Id id) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const T& item) { return item.id == id; });
  return found == items.end() ? nullptr : &*found;
}

Status ReadSchemas(const Json& json, TableMetadata& table) {
  TARN_ASSIGN_OR_RETURN(const auto* schemas, ArrayOf(json, "schemas", true));
  for (const auto& item : *schemas) {
    TARN_ASSIGN_OR_RETURN(auto schema, SchemaFromJson(item));
    TARN_ASSIGN_OR_RETURN(const auto* ids, ArrayOf(item, "identifier-field-ids", false));
    for (const auto& id : *ids) {
      if (id.AsInt() == nullptr) return InvalidArgument("an identifier field id is no integer");
      table.identifier_field_ids[schema.id].push_back(static_cast<int32_t>(*id.AsInt()));
    }
    table.schemas.push_back(std::move(schema));
  }
  TARN_ASSIGN_OR_RETURN(table.current_schema_id, Int32(json, "current-schema-id"));
  TARN_ASSIGN_OR_RETURN(table.last_column_id, Int32(json, "last-column-id"));
  if (!IdsAreUnique(table.schemas)) return InvalidArgument("two schemas have the same id");
  if (table.FindSchema(table.current_schema_id) == nullptr) {
    return InvalidArgument("the current schema is missing");
  }
  return {};
}

Status ReadSpecsAndOrders(const Json& json, TableMetadata& table) {
  TARN_ASSIGN_OR_RETURN(const auto* specs, ArrayOf(json, "partition-specs", true));
  for (const auto& item : *specs) {
    TARN_ASSIGN_OR_RETURN(auto spec, SpecFromJson(item));
    for (const auto& field : spec.fields) {
      table.last_partition_id = std::max(table.last_partition_id, field.field_id);
    }
    table.specs.push_back(std::move(spec));
  }
  TARN_ASSIGN_OR_RETURN(table.default_spec_id, Int32(json, "default-spec-id"));
  if (json.Find("last-partition-id") != nullptr) {
    TARN_ASSIGN_OR_RETURN(const int32_t last, Int32(json, "last-partition-id"));
    table.last_partition_id = std::max(table.last_partition_id, last);
  }
  TARN_ASSIGN_OR_RETURN(const auto* orders, ArrayOf(json, "sort-orders", true));
  for (const auto& item : *orders) {
    TARN_ASSIGN_OR_RETURN(auto order, SortOrderFromJson(item));
    table.sort_orders.push_back(std::move(order));
  }
  TARN_ASSIGN_OR_RETURN(table.default_sort_order_id, Int32(json, "default-sort-order-id"));
  if (!IdsAreUnique(table.specs) || !IdsAreUnique(table.sort_orders)) {
    return InvalidArgument("two specs or sort orders have the same id");
  }
  if (table.FindSpec(table.default_spec_id) == nullptr) {
    return InvalidArgument("the default partition spec is missing");
  }
  return {};
}

Status ReadLogs(const Json& json, TableMetadata& table) {
  TARN_ASSIGN_OR_RETURN(const auto* snapshot_log, ArrayOf(json, "snapshot-log", false));
  for (const auto& item : *snapshot_log) {
    SnapshotLogEntry entry;
    TARN_ASSIGN_OR_RETURN(entry.timestamp_ms, item.GetInt("timestamp-ms"));
    TARN_ASSIGN_OR_RETURN(entry.snapshot_id, item.GetInt("snapshot-id"));
    table.snapshot_log.push_back(entry);
  }
  TARN_ASSIGN_OR_RETURN(const auto* metadata_log, ArrayOf(json, "metadata-log", false));
  for (const auto& item : *metadata_log) {
    LogEntry entry;
    TARN_ASSIGN_OR_RETURN(entry.timestamp_ms, item.GetInt("timestamp-ms"));
    TARN_ASSIGN_OR_RETURN(entry.metadata_file, item.GetString("metadata-file"));
    table.metadata_log.push_back(std::move(entry));
  }
  return {};
}

Status ReadSnapshots(const Json& json, TableMetadata& table) {
  TARN_ASSIGN_OR_RETURN(const auto* snapshots, ArrayOf(json, "snapshots", false));
  for (const auto& item : *snapshots) {
    TARN_ASSIGN_OR_RETURN(auto snapshot, SnapshotFromJson(item));
    table.snapshots.push_back(std::move(snapshot));
  }
  if (!IdsAreUnique(table.snapshots)) return InvalidArgument("two snapshots have the same id");
  TARN_ASSIGN_OR_RETURN(const auto current, OptionalInt(json, "current-snapshot-id"));
  if (current && *current != -1) table.current_snapshot_id = current;
  if (table.current_snapshot_id && table.current_snapshot() == nullptr) {
    return InvalidArgument("the current snapshot is missing");
  }
  const Json* refs = json.Find("refs");
  if (refs != nullptr && refs->AsObject() != nullptr) {
    for (const auto& [name, value] : *refs->AsObject()) {
      TARN_ASSIGN_OR_RETURN(const auto ref, RefFromJson(value));
      if (table.FindSnapshot(ref.snapshot_id) == nullptr) {
        return InvalidArgument("ref '" + name + "' points to no snapshot");
      }
      table.refs[name] = ref;
    }
  }
  if (table.current_snapshot_id && !table.refs.contains(std::string(kMainBranch))) {
    table.refs[std::string(kMainBranch)].snapshot_id = *table.current_snapshot_id;
  }
  return {};
}

Json SchemasToJson(const TableMetadata& table) {
  Json::Array array;
  for (const auto& schema : table.schemas) {
    Json json = SchemaToJson(schema);
    const auto identifiers = table.identifier_field_ids.find(schema.id);
    if (identifiers != table.identifier_field_ids.end()) {
      Json::Array ids;
      for (const int32_t id : identifiers->second) ids.emplace_back(int64_t{id});
      json.Set("identifier-field-ids", std::move(ids));
    }
    array.push_back(std::move(json));
  }
  return array;
}

void AppendHistory(const TableMetadata& table, Json::Object& out) {
  Json::Object refs;
  for (const auto& [name, ref] : table.refs) refs.emplace_back(name, RefToJson(ref));
  out.emplace_back("refs", std::move(refs));
  Json::Array snapshots;
  for (const auto& snapshot : table.snapshots) snapshots.push_back(SnapshotToJson(snapshot));
  out.emplace_back("snapshots", std::move(snapshots));
  const auto statistics = [](const Json& json) { return json.is_null() ? Json::Array() : json; };
  out.emplace_back("statistics", statistics(table.statistics));
  out.emplace_back("partition-statistics", statistics(table.partition_statistics));
  Json::Array snapshot_log;
  for (const auto& entry : table.snapshot_log) {
    snapshot_log.push_back(
        Json::Object{{"timestamp-ms", entry.timestamp_ms}, {"snapshot-id", entry.snapshot_id}});
  }
  out.emplace_back("snapshot-log", std::move(snapshot_log));
  Json::Array metadata_log;
  for (const auto& entry : table.metadata_log) {
    metadata_log.push_back(
        Json::Object{{"timestamp-ms", entry.timestamp_ms}, {"metadata-file", entry.metadata_file}});
  }
  out.emplace_back("metadata-log", std::move(metadata_log));
}

}  // namespace

const event::Schema& TableMetadata::schema() const {
  const event::Schema* found = FindSchema(current_schema_id);
  TARN_CHECK(found != nullptr);
  return *found;
}

const PartitionSpec& TableMetadata::spec() const {
  const PartitionSpec* found = FindSpec(default_spec_id);
  TARN_CHECK(found != nullptr);
  return *found;
}

const event::Schema* TableMetadata::FindSchema(int32_t id) const { return FindId(schemas, id); }
const PartitionSpec* TableMetadata::FindSpec(int32_t id) const { return FindId(specs, id); }
const Snapshot* TableMetadata::FindSnapshot(int64_t id) const { return FindId(snapshots, id); }

const Snapshot* TableMetadata::current_snapshot() const {
  return current_snapshot_id ? FindSnapshot(*current_snapshot_id) : nullptr;
}

const event::Field* TableMetadata::FindColumnEver(int32_t field_id) const {
  if (const auto* field = FindField(schema(), field_id)) return field;
  for (auto schema = schemas.rbegin(); schema != schemas.rend(); ++schema) {
    if (const auto* field = FindField(*schema, field_id)) return field;
  }
  return nullptr;
}

PartitionTypes TableMetadata::TypesOf(const PartitionSpec& partition_spec) const {
  PartitionTypes types;
  for (const auto& field : partition_spec.fields) {
    const event::Field* source = FindColumnEver(field.source_id);
    types.push_back(source == nullptr ? std::nullopt
                                      : TransformResultType(field.transform, source->type));
  }
  return types;
}

int64_t TableMetadata::IntProperty(const std::string& key, int64_t otherwise) const {
  const auto found = properties.find(key);
  if (found == properties.end()) return otherwise;
  return ParseInt64(found->second).value_or(otherwise);
}

Json SnapshotToJson(const Snapshot& snapshot) {
  Json::Object summary;
  if (!snapshot.operation.empty()) summary.emplace_back("operation", snapshot.operation);
  for (const auto& [key, value] : snapshot.summary) summary.emplace_back(key, value);
  Json json =
      Json::Object{{"sequence-number", snapshot.sequence_number}, {"snapshot-id", snapshot.id}};
  if (snapshot.parent_id) json.Set("parent-snapshot-id", *snapshot.parent_id);
  json.Set("timestamp-ms", snapshot.timestamp_ms);
  json.Set("summary", std::move(summary));
  json.Set("manifest-list", snapshot.manifest_list);
  if (snapshot.schema_id) json.Set("schema-id", int64_t{*snapshot.schema_id});
  SetAll(json, snapshot.extra);
  return json;
}

Result<Snapshot> SnapshotFromJson(const Json& json) {
  Snapshot snapshot;
  TARN_ASSIGN_OR_RETURN(snapshot.id, json.GetInt("snapshot-id"));
  TARN_ASSIGN_OR_RETURN(snapshot.parent_id, OptionalInt(json, "parent-snapshot-id"));
  TARN_ASSIGN_OR_RETURN(const auto sequence_number, OptionalInt(json, "sequence-number"));
  snapshot.sequence_number = sequence_number.value_or(0);
  TARN_ASSIGN_OR_RETURN(snapshot.timestamp_ms, json.GetInt("timestamp-ms"));
  if (json.Find("manifest-list") == nullptr) {
    return Unsupported("a snapshot without manifest list (format version 1)");
  }
  TARN_ASSIGN_OR_RETURN(snapshot.manifest_list, json.GetString("manifest-list"));
  TARN_ASSIGN_OR_RETURN(snapshot.summary, PropertiesFromJson(json.Find("summary")));
  snapshot.operation = snapshot.summary["operation"];
  snapshot.summary.erase("operation");
  TARN_ASSIGN_OR_RETURN(const auto schema_id, OptionalInt(json, "schema-id"));
  if (schema_id) snapshot.schema_id = static_cast<int32_t>(*schema_id);
  snapshot.extra = Unknown(json, kKnownOfSnapshot);
  return snapshot;
}

Json RefToJson(const SnapshotRef& ref) {
  Json::Object json{{"snapshot-id", ref.snapshot_id}, {"type", ref.is_branch ? "branch" : "tag"}};
  if (ref.min_snapshots_to_keep) {
    json.emplace_back("min-snapshots-to-keep", int64_t{*ref.min_snapshots_to_keep});
  }
  if (ref.max_snapshot_age_ms) json.emplace_back("max-snapshot-age-ms", *ref.max_snapshot_age_ms);
  if (ref.max_ref_age_ms) json.emplace_back("max-ref-age-ms", *ref.max_ref_age_ms);
  return json;
}

Result<SnapshotRef> RefFromJson(const Json& json) {
  SnapshotRef ref;
  TARN_ASSIGN_OR_RETURN(ref.snapshot_id, json.GetInt("snapshot-id"));
  TARN_ASSIGN_OR_RETURN(const std::string type, json.GetString("type"));
  if (type != "branch" && type != "tag") return InvalidArgument("a ref is a branch or a tag");
  ref.is_branch = type == "branch";
  TARN_ASSIGN_OR_RETURN(const auto keep, OptionalInt(json, "min-snapshots-to-keep"));
  if (keep)
    ref.min_snapshots_to_keep = static_cast<int32_t>(std::clamp<int64_t>(*keep, 0, 1 << 30));
  TARN_ASSIGN_OR_RETURN(ref.max_snapshot_age_ms, OptionalInt(json, "max-snapshot-age-ms"));
  TARN_ASSIGN_OR_RETURN(ref.max_ref_age_ms, OptionalInt(json, "max-ref-age-ms"));
  return ref;
}

Json SortOrderToJson(const SortOrder& order) {
  Json::Array fields;
  for (const auto& field : order.fields) {
    fields.push_back(Json::Object{{"transform", field.transform},
                                  {"source-id", int64_t{field.source_id}},
                                  {"direction", field.direction},
                                  {"null-order", field.null_order}});
  }
  return Json::Object{{"order-id", int64_t{order.id}}, {"fields", std::move(fields)}};
}

Result<SortOrder> SortOrderFromJson(const Json& json) {
  SortOrder order;
  TARN_ASSIGN_OR_RETURN(order.id, Int32(json, "order-id"));
  TARN_ASSIGN_OR_RETURN(const auto* fields, ArrayOf(json, "fields", true));
  for (const auto& item : *fields) {
    SortField field;
    TARN_ASSIGN_OR_RETURN(field.source_id, Int32(item, "source-id"));
    TARN_ASSIGN_OR_RETURN(field.transform, item.GetString("transform"));
    TARN_ASSIGN_OR_RETURN(field.direction, item.GetString("direction"));
    TARN_ASSIGN_OR_RETURN(field.null_order, item.GetString("null-order"));
    order.fields.push_back(std::move(field));
  }
  return order;
}

Json MetadataToJson(const TableMetadata& table) {
  Json::Array specs;
  for (const auto& spec : table.specs) specs.push_back(SpecToJson(spec));
  Json::Array orders;
  for (const auto& order : table.sort_orders) orders.push_back(SortOrderToJson(order));
  Json::Object out{
      {"format-version", 2},
      {"table-uuid", table.table_uuid},
      {"location", table.location},
      {"last-sequence-number", table.last_sequence_number},
      {"last-updated-ms", table.last_updated_ms},
      {"last-column-id", int64_t{table.last_column_id}},
      {"current-schema-id", int64_t{table.current_schema_id}},
      {"schemas", SchemasToJson(table)},
      {"default-spec-id", int64_t{table.default_spec_id}},
      {"partition-specs", std::move(specs)},
      {"last-partition-id", int64_t{table.last_partition_id}},
      {"default-sort-order-id", int64_t{table.default_sort_order_id}},
      {"sort-orders", std::move(orders)},
      {"properties", PropertiesToJson(table.properties)},
  };
  // Absent rather than null or -1 for a table without snapshots: all readers take that.
  if (table.current_snapshot_id)
    out.emplace_back("current-snapshot-id", *table.current_snapshot_id);
  AppendHistory(table, out);
  if (table.extra.AsObject() != nullptr) {
    for (const auto& member : *table.extra.AsObject()) out.push_back(member);
  }
  return out;
}

std::string PrintMetadata(const TableMetadata& table) {
  return codec::DumpJson(MetadataToJson(table));
}

Result<TableMetadata> MetadataFromJson(const Json& json) {
  if (json.AsObject() == nullptr) return InvalidArgument("table metadata is no object");
  TARN_ASSIGN_OR_RETURN(const int64_t version, json.GetInt("format-version"));
  if (version != 2) {
    return Unsupported("Iceberg format version " + std::to_string(version) + "; we read version 2");
  }
  TableMetadata table;
  TARN_ASSIGN_OR_RETURN(table.table_uuid, json.GetString("table-uuid"));
  TARN_ASSIGN_OR_RETURN(table.location, json.GetString("location"));
  while (table.location.ends_with('/')) table.location.pop_back();
  TARN_ASSIGN_OR_RETURN(table.last_sequence_number, json.GetInt("last-sequence-number"));
  TARN_ASSIGN_OR_RETURN(table.last_updated_ms, json.GetInt("last-updated-ms"));
  TARN_TRY(ReadSchemas(json, table));
  TARN_TRY(ReadSpecsAndOrders(json, table));
  TARN_ASSIGN_OR_RETURN(table.properties, PropertiesFromJson(json.Find("properties")));
  TARN_TRY(ReadSnapshots(json, table));
  TARN_TRY(ReadLogs(json, table));
  const auto passed_through = [&](std::string_view key) {
    const Json* member = json.Find(key);
    return member == nullptr || member->AsArray() == nullptr ? Json() : *member;
  };
  table.statistics = passed_through("statistics");
  table.partition_statistics = passed_through("partition-statistics");
  table.extra = Unknown(json, kKnown);
  return table;
}

Result<TableMetadata> ParseMetadata(std::string_view text) {
  auto json = codec::ParseJson(text);
  if (!json.ok()) return std::move(json).error().In("table metadata");
  return MetadataFromJson(*json);
}

}  // namespace tarn::iceberg
