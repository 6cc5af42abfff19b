#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "event/schema.h"
#include "iceberg/transform.h"

namespace tarn::iceberg {

using Properties = std::map<std::string, std::string>;

struct Snapshot {
  int64_t id = 0;  // 63 bits
  std::optional<int64_t> parent_id;
  int64_t sequence_number = 0;
  int64_t timestamp_ms = 0;
  std::string manifest_list;  // URL
  std::string operation;      // append, replace, overwrite, delete
  Properties summary;         // without "operation"
  std::optional<int32_t> schema_id;
  codec::Json extra;  // members we do not know, kept
};

struct SnapshotRef {
  int64_t snapshot_id = 0;
  bool is_branch = true;  // or a tag
  std::optional<int32_t> min_snapshots_to_keep;
  std::optional<int64_t> max_snapshot_age_ms;
  std::optional<int64_t> max_ref_age_ms;
};

struct SortField {
  int32_t source_id = 0;
  std::string transform = "identity";
  std::string direction = "asc";
  std::string null_order = "nulls-first";
  bool operator==(const SortField&) const = default;
};

// Id 0 is unsorted: the only one we write. Others are kept.
struct SortOrder {
  int32_t id = 0;
  std::vector<SortField> fields;
  bool operator==(const SortOrder&) const = default;
};

struct LogEntry {  // of the metadata log
  int64_t timestamp_ms = 0;
  std::string metadata_file;
};

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
};

inline constexpr std::string_view kMainBranch = "main";

// The content of one metadata.json, format version 2. A plain value; the functions below and in
// update.h keep it consistent.
struct TableMetadata {
  // Where this version was read from or is written to; not part of the file. "" for a table that
  // has no file yet.
  std::string metadata_location;

  std::string table_uuid;
  std::string location;  // URL without a trailing slash
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int32_t last_column_id = 0;
  std::vector<event::Schema> schemas;
  int32_t current_schema_id = 0;
  std::map<int32_t, std::vector<int32_t>> identifier_field_ids;  // by schema id
  std::vector<PartitionSpec> specs;
  int32_t default_spec_id = 0;
  int32_t last_partition_id = kFirstPartitionFieldId - 1;
  std::vector<SortOrder> sort_orders;
  int32_t default_sort_order_id = 0;
  Properties properties;
  std::optional<int64_t> current_snapshot_id;
  std::vector<Snapshot> snapshots;  // oldest first
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<LogEntry> metadata_log;
  std::map<std::string, SnapshotRef> refs;
  codec::Json statistics;            // array, passed through
  codec::Json partition_statistics;  // array, passed through
  codec::Json extra;                 // members we do not know, kept

  const event::Schema& schema() const;  // the current one
  const PartitionSpec& spec() const;    // the default one
  const event::Schema* FindSchema(int32_t id) const;
  const PartitionSpec* FindSpec(int32_t id) const;
  const Snapshot* FindSnapshot(int64_t id) const;
  const Snapshot* current_snapshot() const;
  // A column of the current schema, or of the newest older one that had it; nested fields too.
  const event::Field* FindColumnEver(int32_t field_id) const;
  PartitionTypes TypesOf(const PartitionSpec& partition_spec) const;
  int64_t IntProperty(const std::string& key, int64_t otherwise) const;
};

// Validated: format version 2 (others are Unsupported), ids that refer to each other exist, no
// duplicate ids. Errors are DataLoss-free InvalidArgument that say what is wrong.
Result<TableMetadata> ParseMetadata(std::string_view json);
std::string PrintMetadata(const TableMetadata& metadata);
codec::Json MetadataToJson(const TableMetadata& metadata);
Result<TableMetadata> MetadataFromJson(const codec::Json& json);
codec::Json SnapshotToJson(const Snapshot& snapshot);
Result<Snapshot> SnapshotFromJson(const codec::Json& json);
codec::Json RefToJson(const SnapshotRef& ref);
Result<SnapshotRef> RefFromJson(const codec::Json& json);
codec::Json SortOrderToJson(const SortOrder& order);
Result<SortOrder> SortOrderFromJson(const codec::Json& json);

}  // namespace tarn::iceberg
