#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "iceberg/table_metadata.h"
#include "iceberg/value.h"

namespace tarn::iceberg {

enum class FileContent : uint8_t { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };

// One data or delete file. Maps are by field id and hold leaf columns only; what is absent is
// unknown.
struct DataFile {
  FileContent content = FileContent::kData;
  std::string path;  // URL
  std::string format = "PARQUET";
  int32_t spec_id = 0;           // the partition spec `partition` is of
  std::vector<Value> partition;  // one per field of the spec, transformed
  int64_t record_count = 0;
  int64_t file_size_in_bytes = 0;
  std::map<int32_t, int64_t> column_sizes;
  std::map<int32_t, int64_t> value_counts;  // nulls included
  std::map<int32_t, int64_t> null_value_counts;
  std::map<int32_t, int64_t> nan_value_counts;
  std::map<int32_t, std::string> lower_bounds;  // LowerBound() of value.h
  std::map<int32_t, std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;  // row groups
  std::vector<int32_t> equality_ids;   // kEqualityDeletes
  std::optional<int32_t> sort_order_id;
  std::optional<std::string> referenced_data_file;  // kPositionDeletes of one file
};

// The same for two files exactly if spec and partition are. For maps; not for people.
std::string PartitionKey(const DataFile& file);

enum class EntryStatus : uint8_t { kExisting = 0, kAdded = 1, kDeleted = 2 };

struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;      // absent: inherited from the manifest list
  std::optional<int64_t> sequence_number;  // of the data; likewise for kAdded
  std::optional<int64_t> file_sequence_number;
  DataFile file;

  bool live() const { return status != EntryStatus::kDeleted; }
};

struct FieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
};

enum class ManifestContent : uint8_t { kData = 0, kDeletes = 1 };

// A row of a manifest list.
struct ManifestFile {
  std::string path;  // URL
  int64_t length = 0;
  int32_t spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  int64_t sequence_number = 0;
  int64_t min_sequence_number = 0;
  int64_t added_snapshot_id = 0;
  int32_t added_files = 0;
  int32_t existing_files = 0;
  int32_t deleted_files = 0;
  int64_t added_rows = 0;
  int64_t existing_rows = 0;
  int64_t deleted_rows = 0;
  std::vector<FieldSummary> partitions;
  std::optional<std::string> key_metadata;

  int64_t live_files() const { return int64_t{added_files} + existing_files; }
};

// A manifest's bytes, and its row for the list but for path, sequence_number and added_snapshot_id.
// min_sequence_number is that of entries with an explicit one, the largest int64 if there is none.
struct EncodedManifest {
  std::string bytes;
  ManifestFile file;
  bool inherits_sequence_number = false;  // some live entry takes the list's
};
// Every file must be of `spec_id` and of the same kind (data, or deletes), and its partition values
// must fit: InvalidArgument.
Result<EncodedManifest> EncodeManifest(const TableMetadata& table, int32_t spec_id,
                                       const std::vector<ManifestEntry>& entries);

// Any writer's manifest. Sequence numbers and snapshot ids that entries inherit are filled in from
// `file`. `table` gives the spec. DataLoss for bytes that are no manifest.
Result<std::vector<ManifestEntry>> DecodeManifest(const TableMetadata& table,
                                                  const ManifestFile& file, std::string_view bytes);

std::string EncodeManifestList(const Snapshot& snapshot, const std::vector<ManifestFile>& files);
Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes);

}  // namespace tarn::iceberg
