#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn::catalog {

enum class Zone : uint8_t { kRaw, kClean, kCurated, kQuarantine, kSystem };

// Where sources land.
inline constexpr std::array kLandingZones = {Zone::kRaw, Zone::kClean, Zone::kQuarantine};

std::string_view ZoneName(Zone zone);  // "raw"
std::optional<Zone> ParseZone(std::string_view name);

// "clean.web_log". `table` is [A-Za-z_][A-Za-z0-9_-]*, at most 128 bytes, case-sensitive.
struct DatasetName {
  Zone zone = Zone::kRaw;
  std::string table;

  std::string ToString() const;
  auto operator<=>(const DatasetName&) const = default;
};

// InvalidArgument says what is wrong with the zone or the name.
Result<DatasetName> ParseDatasetName(std::string_view text);
Status ValidateDatasetName(const DatasetName& name);

enum class DatasetKind : uint8_t {
  kTable,    // an Iceberg table
  kObjects,  // immutable objects under a prefix, as raw's .json.zst
};

std::string_view DatasetKindName(DatasetKind kind);  // "table"
std::optional<DatasetKind> ParseDatasetKind(std::string_view name);

// A key and value on a dataset, or on one of its columns. The key "pii" marks personal data; its
// value says which kind ("email").
struct Tag {
  std::string column;  // empty: the dataset itself
  std::string key;
  std::string value;
  auto operator<=>(const Tag&) const = default;
};
inline constexpr std::string_view kPiiTag = "pii";

// What a dataset is made from.
struct DatasetSpec {
  DatasetName name;
  DatasetKind kind = DatasetKind::kTable;
  std::string location;           // the table's folder: a key prefix of the object store, or a URL
  std::string table_uuid;         // empty: the catalog makes one
  std::string metadata_location;  // the first pointer; empty until the first commit
  std::string schema_summary;     // opaque to the catalog
  std::string owner;
  std::string description;
  std::string source;  // the source that feeds it, or the model that makes it
};

struct Dataset {
  DatasetName name;
  DatasetKind kind = DatasetKind::kTable;
  std::string location;
  std::string table_uuid;
  std::string metadata_location;  // the pointer: which Iceberg metadata file is current
  std::string schema_summary;
  std::string owner;
  std::string description;
  std::string source;
  int64_t snapshot_id = 0;  // of the pointer; 0 before the first commit
  int64_t rows = 0;         // sums of the deltas committed
  int64_t bytes = 0;
  int64_t commits = 0;
  Timestamp created;
  Timestamp updated;      // last commit, or last change of the description
  std::vector<Tag> tags;  // sorted by column, key
  bool operator==(const Dataset&) const = default;
};

// What may change outside a commit. nullopt: as it is.
struct DatasetChange {
  std::optional<std::string> owner;
  std::optional<std::string> description;
  std::optional<std::string> source;
  std::optional<std::string> location;
};

struct TagChange {
  std::string column;
  std::string key;
  std::optional<std::string> value;  // nullopt removes the tag
};

struct TaggedDataset {
  DatasetName dataset;
  Tag tag;
};

}  // namespace tarn::catalog
