#include "iceberg/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"
#include "iceberg/avro.h"
#include "iceberg/schema_json.h"

namespace tarn::iceberg {
namespace {

using event::Type;
using event::TypeKind;

// The Avro schemas are those of the Iceberg specification, sections "Manifests" and "Manifest
// Lists", with its field ids.
constexpr std::string_view kListSchema =
    R"({"type":"record","name":"manifest_file","fields":[)"
    R"({"name":"manifest_path","type":"string","field-id":500},)"
    R"({"name":"manifest_length","type":"long","field-id":501},)"
    R"({"name":"partition_spec_id","type":"int","field-id":502},)"
    R"({"name":"content","type":"int","field-id":517},)"
    R"({"name":"sequence_number","type":"long","field-id":515},)"
    R"({"name":"min_sequence_number","type":"long","field-id":516},)"
    R"({"name":"added_snapshot_id","type":"long","field-id":503},)"
    R"({"name":"added_files_count","type":"int","field-id":504},)"
    R"({"name":"existing_files_count","type":"int","field-id":505},)"
    R"({"name":"deleted_files_count","type":"int","field-id":506},)"
    R"({"name":"added_rows_count","type":"long","field-id":512},)"
    R"({"name":"existing_rows_count","type":"long","field-id":513},)"
    R"({"name":"deleted_rows_count","type":"long","field-id":514},)"
    R"({"name":"partitions","type":["null",{"type":"array","element-id":508,"items":)"
    R"({"type":"record","name":"r508","fields":[)"
    R"({"name":"contains_null","type":"boolean","field-id":509},)"
    R"({"name":"contains_nan","type":["null","boolean"],"default":null,"field-id":518},)"
    R"({"name":"lower_bound","type":["null","bytes"],"default":null,"field-id":510},)"
    R"({"name":"upper_bound","type":["null","bytes"],"default":null,"field-id":511}]}}],)"
    R"("default":null,"field-id":507},)"
    R"({"name":"key_metadata","type":["null","bytes"],"default":null,"field-id":519}]})";

std::string OptionalField(std::string_view name, int id, std::string_view type) {
  return fmt::format(R"({{"name":"{}","type":["null",{}],"default":null,"field-id":{}}})", name,
                     type, id);
}

std::string MapField(std::string_view name, int id, int key_id, std::string_view value) {
  const std::string items = fmt::format(
      R"({{"type":"array","logicalType":"map","items":{{"type":"record","name":"k{0}_v{1}",)"
      R"("fields":[{{"name":"key","type":"int","field-id":{0}}},)"
      R"({{"name":"value","type":"{2}","field-id":{1}}}]}}}})",
      key_id, key_id + 1, value);
  return OptionalField(name, id, items);
}

std::string ArrayField(std::string_view name, int id, int element_id, std::string_view element) {
  return OptionalField(
      name, id,
      fmt::format(R"({{"type":"array","element-id":{},"items":"{}"}})", element_id, element));
}

// Avro allows only letters, digits and '_' in names; Java writes others as _x and the code.
std::string AvroName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (digit && out.empty()) out += '_';
    if (letter || digit) {
      out += c;
    } else {
      out += fmt::format("_x{:X}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

// Bytes of Avro's fixed form of a decimal (spec appendix A).
size_t DecimalWidth(int precision) {
  Int128 limit = 1;
  for (int i = 0; i < precision; ++i) limit *= 10;
  return DecimalBytes(limit - 1).size();
}

std::string AvroType(const Type& type, int field_id) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return R"("boolean")";
    case TypeKind::kInt:
      return R"("int")";
    case TypeKind::kLong:
      return R"("long")";
    case TypeKind::kFloat:
      return R"("float")";
    case TypeKind::kDouble:
      return R"("double")";
    case TypeKind::kDate:
      return R"({"type":"int","logicalType":"date"})";
    case TypeKind::kTime:
      return R"({"type":"long","logicalType":"time-micros"})";
    case TypeKind::kTimestamp:
      return R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":false})";
    case TypeKind::kTimestamptz:
      return R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true})";
    case TypeKind::kDecimal:
      return fmt::format(
          R"({{"type":"fixed","name":"decimal_{}","size":{},"logicalType":"decimal",)"
          R"("precision":{},"scale":{}}})",
          field_id, DecimalWidth(type.precision), type.precision, type.scale);
    case TypeKind::kUuid:
      return fmt::format(R"({{"type":"fixed","name":"uuid_{}","size":16,"logicalType":"uuid"}})",
                         field_id);
    case TypeKind::kFixed:
      return fmt::format(R"({{"type":"fixed","name":"fixed_{}","size":{}}})", field_id,
                         type.length);
    case TypeKind::kString:
      return R"("string")";
    default:
      return R"("bytes")";
  }
}

std::string PartitionSchema(const PartitionSpec& spec, const PartitionTypes& types) {
  std::string fields;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    if (i > 0) fields += ',';
    const auto& field = spec.fields[i];
    fields += OptionalField(AvroName(field.name), field.field_id,
                            AvroType(types[i].value_or(Type{}), field.field_id));
  }
  return R"({"type":"record","name":"r102","fields":[)" + fields + "]}";
}

std::string ManifestSchema(const PartitionSpec& spec, const PartitionTypes& types) {
  const std::vector<std::string> file_fields = {
      R"({"name":"content","type":"int","field-id":134})",
      R"({"name":"file_path","type":"string","field-id":100})",
      R"({"name":"file_format","type":"string","field-id":101})",
      R"({"name":"partition","type":)" + PartitionSchema(spec, types) + R"(,"field-id":102})",
      R"({"name":"record_count","type":"long","field-id":103})",
      R"({"name":"file_size_in_bytes","type":"long","field-id":104})",
      MapField("column_sizes", 108, 117, "long"),
      MapField("value_counts", 109, 119, "long"),
      MapField("null_value_counts", 110, 121, "long"),
      MapField("nan_value_counts", 137, 138, "long"),
      MapField("lower_bounds", 125, 126, "bytes"),
      MapField("upper_bounds", 128, 129, "bytes"),
      OptionalField("key_metadata", 131, R"("bytes")"),
      ArrayField("split_offsets", 132, 133, "long"),
      ArrayField("equality_ids", 135, 136, "int"),
      OptionalField("sort_order_id", 140, R"("int")"),
      OptionalField("referenced_data_file", 143, R"("string")"),
  };
  return R"({"type":"record","name":"manifest_entry","fields":[)"
         R"({"name":"status","type":"int","field-id":0},)" +
         OptionalField("snapshot_id", 1, R"("long")") + "," +
         OptionalField("sequence_number", 3, R"("long")") + "," +
         OptionalField("file_sequence_number", 4, R"("long")") +
         R"(,{"name":"data_file","type":{"type":"record","name":"r2","fields":[)" +
         Join(file_fields, ",") + R"(]},"field-id":2}]})";
}

// The branch of a union ["null", x].
void PutBranch(std::string& out, bool present) { PutAvroLong(out, present ? 1 : 0); }

void PutOptionalLong(std::string& out, std::optional<int64_t> value) {
  PutBranch(out, value.has_value());
  if (value) PutAvroLong(out, *value);
}

void PutOptionalBytes(std::string& out, const std::optional<std::string>& value) {
  PutBranch(out, value.has_value());
  if (value) PutAvroBytes(out, *value);
}

template <typename Items, typename Put>
void PutItems(std::string& out, const Items& items, const Put& put) {
  PutBranch(out, !items.empty());
  if (items.empty()) return;
  PutAvroLong(out, static_cast<int64_t>(items.size()));
  for (const auto& item : items) put(item);
  PutAvroLong(out, 0);
}

void PutLongMap(std::string& out, const std::map<int32_t, int64_t>& map) {
  PutItems(out, map, [&](const auto& item) {
    PutAvroLong(out, item.first);
    PutAvroLong(out, item.second);
  });
}

void PutBytesMap(std::string& out, const std::map<int32_t, std::string>& map) {
  PutItems(out, map, [&](const auto& item) {
    PutAvroLong(out, item.first);
    PutAvroBytes(out, item.second);
  });
}

void PutPartitionValue(std::string& out, const Type& type, const Value& value) {
  PutBranch(out, !IsNull(value));
  if (const auto* flag = std::get_if<bool>(&value)) out.push_back(*flag ? '\1' : '\0');
  if (const auto* integer = std::get_if<int64_t>(&value)) PutAvroLong(out, *integer);
  if (const auto* number = std::get_if<double>(&value)) {
    if (type.kind == TypeKind::kFloat) {
      PutFixed(out, static_cast<float>(*number));
    } else {
      PutFixed(out, *number);
    }
  }
  if (const auto* decimal = std::get_if<Decimal>(&value)) {
    std::string bytes = DecimalBytes(decimal->unscaled);
    const size_t width = DecimalWidth(type.precision);
    if (bytes.size() < width) {
      bytes.insert(0, width - bytes.size(), decimal->unscaled < 0 ? '\xff' : '\0');
    }
    out += bytes;
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    const bool fixed = type.kind == TypeKind::kUuid || type.kind == TypeKind::kFixed;
    if (fixed) {
      out += *text;
    } else {
      PutAvroBytes(out, *text);
    }
  }
}

std::string EncodeEntry(const ManifestEntry& entry, const PartitionTypes& types) {
  std::string out;
  const DataFile& file = entry.file;
  PutAvroLong(out, static_cast<int64_t>(entry.status));
  PutOptionalLong(out, entry.snapshot_id);
  PutOptionalLong(out, entry.sequence_number);
  PutOptionalLong(out, entry.file_sequence_number);
  PutAvroLong(out, static_cast<int64_t>(file.content));
  PutAvroBytes(out, file.path);
  PutAvroBytes(out, file.format);
  for (size_t i = 0; i < types.size(); ++i) {
    PutPartitionValue(out, types[i].value_or(Type{}), file.partition[i]);
  }
  PutAvroLong(out, file.record_count);
  PutAvroLong(out, file.file_size_in_bytes);
  PutLongMap(out, file.column_sizes);
  PutLongMap(out, file.value_counts);
  PutLongMap(out, file.null_value_counts);
  PutLongMap(out, file.nan_value_counts);
  PutBytesMap(out, file.lower_bounds);
  PutBytesMap(out, file.upper_bounds);
  PutOptionalBytes(out, file.key_metadata);
  PutItems(out, file.split_offsets, [&](int64_t offset) { PutAvroLong(out, offset); });
  PutItems(out, file.equality_ids, [&](int32_t id) { PutAvroLong(out, id); });
  PutOptionalLong(out, file.sort_order_id);
  PutOptionalBytes(out, file.referenced_data_file);
  return out;
}

// Gathers what a manifest's row in the list says of one partition field.
class Summary {
 public:
  explicit Summary(std::optional<Type> type) : type_(std::move(type)) {}

  void Add(const Value& value) {
    if (IsNull(value)) {
      contains_null_ = true;
      return;
    }
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && *number != *number) {
      contains_nan_ = true;
      return;
    }
    if (IsNull(lower_) || CompareValues(value, lower_) < 0) lower_ = value;
    if (IsNull(upper_) || CompareValues(value, upper_) > 0) upper_ = value;
  }

  FieldSummary Finish() const {
    FieldSummary summary;
    summary.contains_null = contains_null_;
    summary.contains_nan = contains_nan_;
    if (!type_ || IsNull(lower_)) return summary;
    // Not truncated: every reader may compare partition values exactly.
    auto lower = EncodeValue(*type_, lower_);
    auto upper = EncodeValue(*type_, upper_);
    if (lower.ok() && upper.ok()) {
      summary.lower_bound = std::move(*lower);
      summary.upper_bound = std::move(*upper);
    }
    return summary;
  }

 private:
  std::optional<Type> type_;
  bool contains_null_ = false;
  bool contains_nan_ = false;
  Value lower_;
  Value upper_;
};

void Count(const ManifestEntry& entry, ManifestFile& file) {
  const int64_t rows = entry.file.record_count;
  switch (entry.status) {
    case EntryStatus::kAdded:
      ++file.added_files;
      file.added_rows += rows;
      break;
    case EntryStatus::kExisting:
      ++file.existing_files;
      file.existing_rows += rows;
      break;
    case EntryStatus::kDeleted:
      ++file.deleted_files;
      file.deleted_rows += rows;
      break;
  }
}

// A marker that is the same for the same content, so that encoding is deterministic.
std::string SyncMarker(std::string_view content) { return codec::Sha256(content).substr(0, 16); }

Status CheckEntry(const ManifestEntry& entry, int32_t spec_id, ManifestContent content,
                  const PartitionTypes& types) {
  const DataFile& file = entry.file;
  if (file.path.empty()) return InvalidArgument("a data file without a path");
  const auto of_file = [&](std::string_view what) {
    return InvalidArgument(fmt::format("data file {}: {}", file.path, what));
  };
  if (file.spec_id != spec_id) return of_file("another partition spec");
  if ((file.content != FileContent::kData) != (content == ManifestContent::kDeletes)) {
    return of_file("data and delete files do not share a manifest");
  }
  if (file.partition.size() != types.size()) {
    return of_file(fmt::format("{} partition values for {} partition fields", file.partition.size(),
                               types.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (!ValueFits(types[i].value_or(Type{.kind = TypeKind::kStruct}), file.partition[i])) {
      return of_file("a partition value that does not fit its field");
    }
  }
  if (file.record_count < 0 || file.file_size_in_bytes < 0) return of_file("a negative count");
  return {};
}

// Reading.

Error Lacks(std::string_view name) {
  return DataLoss("manifest: '" + std::string(name) + "' is missing");
}

Result<int64_t> LongOf(const AvroDatum& record, int id, std::string_view name) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr || field->kind != AvroDatum::Kind::kLong) return Lacks(name);
  return field->integer;
}

int64_t LongOr(const AvroDatum& record, int id, std::string_view name, int64_t otherwise) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr || field->kind != AvroDatum::Kind::kLong) return otherwise;
  return field->integer;
}

int32_t IntOr(const AvroDatum& record, int id, std::string_view name, int32_t otherwise) {
  const int64_t value = LongOr(record, id, name, otherwise);
  return static_cast<int32_t>(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

std::optional<int64_t> OptionalLongOf(const AvroDatum& record, int id, std::string_view name) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr || field->kind != AvroDatum::Kind::kLong) return std::nullopt;
  return field->integer;
}

Result<std::string> TextOf(const AvroDatum& record, int id, std::string_view name) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr || field->kind != AvroDatum::Kind::kBytes) return Lacks(name);
  return std::string(field->bytes);
}

std::optional<std::string> OptionalBytesOf(const AvroDatum& record, int id, std::string_view name) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr || field->kind != AvroDatum::Kind::kBytes) return std::nullopt;
  return std::string(field->bytes);
}

void LongMapOf(const AvroDatum& record, int id, std::string_view name, int key_id,
               std::map<int32_t, int64_t>& out) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr) return;
  for (const auto& pair : field->items) {
    const AvroDatum* key = pair.Field(key_id, "key");
    const AvroDatum* value = pair.Field(key_id + 1, "value");
    if (key == nullptr || value == nullptr) continue;
    out.emplace_hint(out.end(), static_cast<int32_t>(key->integer), value->integer);
  }
}

void BytesMapOf(const AvroDatum& record, int id, std::string_view name, int key_id,
                std::map<int32_t, std::string>& out) {
  const AvroDatum* field = record.Field(id, name);
  if (field == nullptr) return;
  for (const auto& pair : field->items) {
    const AvroDatum* key = pair.Field(key_id, "key");
    const AvroDatum* value = pair.Field(key_id + 1, "value");
    if (key == nullptr || value == nullptr) continue;
    out.emplace_hint(out.end(), static_cast<int32_t>(key->integer), std::string(value->bytes));
  }
}

Value PartitionValueOf(const AvroDatum* datum) {
  if (datum == nullptr) return {};
  switch (datum->kind) {
    case AvroDatum::Kind::kBool:
      return datum->integer != 0;
    case AvroDatum::Kind::kLong:
      return datum->integer;
    case AvroDatum::Kind::kDouble:
      return datum->number;
    case AvroDatum::Kind::kBytes: {
      if (!datum->decimal) return std::string(datum->bytes);
      auto decimal = DecodeValue(Type{.kind = TypeKind::kDecimal}, datum->bytes);
      return decimal.ok() ? std::move(*decimal) : Value();
    }
    default:
      return {};
  }
}

Result<DataFile> DataFileOf(const AvroDatum& record, const PartitionSpec& spec) {
  DataFile file;
  const int64_t content = LongOr(record, 134, "content", 0);
  if (content < 0 || content > 2) return Unsupported("manifest: an unknown kind of file");
  file.content = static_cast<FileContent>(content);
  TARN_ASSIGN_OR_RETURN(file.path, TextOf(record, 100, "file_path"));
  TARN_ASSIGN_OR_RETURN(file.format, TextOf(record, 101, "file_format"));
  TARN_ASSIGN_OR_RETURN(file.record_count, LongOf(record, 103, "record_count"));
  TARN_ASSIGN_OR_RETURN(file.file_size_in_bytes, LongOf(record, 104, "file_size_in_bytes"));
  file.spec_id = spec.id;
  const AvroDatum* partition = record.Field(102, "partition");
  for (const auto& field : spec.fields) {
    const std::string name = AvroName(field.name);
    // A value that is not there must not pass for null: files would be pruned by it.
    if (partition == nullptr || !partition->Has(field.field_id, name)) return Lacks(name);
    file.partition.push_back(PartitionValueOf(partition->Field(field.field_id, name)));
  }
  LongMapOf(record, 108, "column_sizes", 117, file.column_sizes);
  LongMapOf(record, 109, "value_counts", 119, file.value_counts);
  LongMapOf(record, 110, "null_value_counts", 121, file.null_value_counts);
  LongMapOf(record, 137, "nan_value_counts", 138, file.nan_value_counts);
  BytesMapOf(record, 125, "lower_bounds", 126, file.lower_bounds);
  BytesMapOf(record, 128, "upper_bounds", 129, file.upper_bounds);
  file.key_metadata = OptionalBytesOf(record, 131, "key_metadata");
  if (const auto* offsets = record.Field(132, "split_offsets")) {
    for (const auto& item : offsets->items) file.split_offsets.push_back(item.integer);
  }
  if (const auto* ids = record.Field(135, "equality_ids")) {
    for (const auto& item : ids->items) {
      file.equality_ids.push_back(static_cast<int32_t>(item.integer));
    }
  }
  const auto order = OptionalLongOf(record, 140, "sort_order_id");
  if (order) file.sort_order_id = static_cast<int32_t>(*order);
  file.referenced_data_file = OptionalBytesOf(record, 143, "referenced_data_file");
  return file;
}

Result<ManifestEntry> EntryOf(const AvroDatum& record, const PartitionSpec& spec,
                              const ManifestFile& manifest) {
  ManifestEntry entry;
  TARN_ASSIGN_OR_RETURN(const int64_t status, LongOf(record, 0, "status"));
  if (status < 0 || status > 2) return DataLoss("manifest: an unknown status");
  entry.status = static_cast<EntryStatus>(status);
  entry.snapshot_id = OptionalLongOf(record, 1, "snapshot_id");
  entry.sequence_number = OptionalLongOf(record, 3, "sequence_number");
  entry.file_sequence_number = OptionalLongOf(record, 4, "file_sequence_number");
  // Inheritance, and for manifests of format version 1 (sequence number 0) all entries alike.
  if (!entry.snapshot_id) entry.snapshot_id = manifest.added_snapshot_id;
  const bool inherits = entry.status == EntryStatus::kAdded || manifest.sequence_number == 0;
  if (!entry.sequence_number && inherits) entry.sequence_number = manifest.sequence_number;
  if (!entry.file_sequence_number && inherits) {
    entry.file_sequence_number = manifest.sequence_number;
  }
  if (!entry.sequence_number) return DataLoss("manifest: an old entry without sequence number");
  const AvroDatum* file = record.Field(2, "data_file");
  if (file == nullptr) return Lacks("data_file");
  TARN_ASSIGN_OR_RETURN(entry.file, DataFileOf(*file, spec));
  return entry;
}

Result<ManifestFile> ManifestFileOf(const AvroDatum& record) {
  ManifestFile file;
  TARN_ASSIGN_OR_RETURN(file.path, TextOf(record, 500, "manifest_path"));
  TARN_ASSIGN_OR_RETURN(file.length, LongOf(record, 501, "manifest_length"));
  file.spec_id = IntOr(record, 502, "partition_spec_id", 0);
  file.content =
      LongOr(record, 517, "content", 0) == 1 ? ManifestContent::kDeletes : ManifestContent::kData;
  file.sequence_number = LongOr(record, 515, "sequence_number", 0);
  file.min_sequence_number = LongOr(record, 516, "min_sequence_number", 0);
  file.added_snapshot_id = LongOr(record, 503, "added_snapshot_id", 0);
  // Unknown counts (old writers) must not look like an empty manifest.
  file.added_files = IntOr(record, 504, "added_files_count", 1);
  file.existing_files = IntOr(record, 505, "existing_files_count", 1);
  file.deleted_files = IntOr(record, 506, "deleted_files_count", 0);
  file.added_rows = LongOr(record, 512, "added_rows_count", 0);
  file.existing_rows = LongOr(record, 513, "existing_rows_count", 0);
  file.deleted_rows = LongOr(record, 514, "deleted_rows_count", 0);
  if (const auto* partitions = record.Field(507, "partitions")) {
    for (const auto& item : partitions->items) {
      FieldSummary summary;
      const AvroDatum* has_null = item.Field(509, "contains_null");
      summary.contains_null = has_null == nullptr || has_null->integer != 0;
      const AvroDatum* has_nan = item.Field(518, "contains_nan");
      if (has_nan != nullptr) summary.contains_nan = has_nan->integer != 0;
      summary.lower_bound = OptionalBytesOf(item, 510, "lower_bound");
      summary.upper_bound = OptionalBytesOf(item, 511, "upper_bound");
      file.partitions.push_back(std::move(summary));
    }
  }
  file.key_metadata = OptionalBytesOf(record, 519, "key_metadata");
  return file;
}

std::string EncodeManifestFile(const ManifestFile& file) {
  std::string out;
  PutAvroBytes(out, file.path);
  PutAvroLong(out, file.length);
  PutAvroLong(out, file.spec_id);
  PutAvroLong(out, static_cast<int64_t>(file.content));
  PutAvroLong(out, file.sequence_number);
  PutAvroLong(out, file.min_sequence_number);
  PutAvroLong(out, file.added_snapshot_id);
  for (const int32_t count : {file.added_files, file.existing_files, file.deleted_files}) {
    PutAvroLong(out, count);
  }
  for (const int64_t rows : {file.added_rows, file.existing_rows, file.deleted_rows}) {
    PutAvroLong(out, rows);
  }
  PutItems(out, file.partitions, [&](const FieldSummary& summary) {
    out.push_back(summary.contains_null ? '\1' : '\0');
    PutBranch(out, summary.contains_nan.has_value());
    if (summary.contains_nan) out.push_back(*summary.contains_nan ? '\1' : '\0');
    PutOptionalBytes(out, summary.lower_bound);
    PutOptionalBytes(out, summary.upper_bound);
  });
  PutOptionalBytes(out, file.key_metadata);
  return out;
}

}  // namespace

std::string PartitionKey(const DataFile& file) {
  std::string key;
  PutFixed(key, file.spec_id);
  for (const auto& value : file.partition) {
    key.push_back(static_cast<char>(value.index()));
    if (const auto* flag = std::get_if<bool>(&value)) key.push_back(*flag ? '\1' : '\0');
    if (const auto* integer = std::get_if<int64_t>(&value)) PutFixed(key, *integer);
    if (const auto* number = std::get_if<double>(&value)) PutFixed(key, *number);
    if (const auto* decimal = std::get_if<Decimal>(&value)) PutFixed(key, decimal->unscaled);
    if (const auto* text = std::get_if<std::string>(&value)) PutSized(key, *text);
  }
  return key;
}

Result<EncodedManifest> EncodeManifest(const TableMetadata& table, int32_t spec_id,
                                       const std::vector<ManifestEntry>& entries) {
  const PartitionSpec* spec = table.FindSpec(spec_id);
  if (spec == nullptr) return InvalidArgument(fmt::format("there is no spec {}", spec_id));
  if (entries.empty()) return InvalidArgument("a manifest without entries");
  const PartitionTypes types = table.TypesOf(*spec);
  EncodedManifest encoded;
  ManifestFile& file = encoded.file;
  file.spec_id = spec_id;
  file.content = entries[0].file.content == FileContent::kData ? ManifestContent::kData
                                                               : ManifestContent::kDeletes;
  const codec::Json spec_json = SpecToJson(*spec);
  const std::map<std::string, std::string> metadata = {
      {"schema", codec::DumpJson(SchemaToJson(table.schema()))},
      {"schema-id", std::to_string(table.current_schema_id)},
      {"partition-spec", codec::DumpJson(*spec_json.Find("fields"))},
      {"partition-spec-id", std::to_string(spec_id)},
      {"format-version", "2"},
      {"content", file.content == ManifestContent::kData ? "data" : "deletes"}};
  AvroWriter writer(ManifestSchema(*spec, types), metadata, AvroCodec::kDeflate,
                    SyncMarker(entries[0].file.path));
  std::vector<Summary> summaries;
  for (const auto& type : types) summaries.emplace_back(type);
  std::optional<int64_t> min_sequence_number;
  bool inherits = false;
  for (const auto& entry : entries) {
    TARN_TRY(CheckEntry(entry, spec_id, file.content, types));
    writer.Append(EncodeEntry(entry, types));
    Count(entry, file);
    for (size_t i = 0; i < types.size(); ++i) summaries[i].Add(entry.file.partition[i]);
    if (!entry.live()) continue;
    if (!entry.sequence_number) {
      inherits = true;
    } else {
      min_sequence_number =
          std::min(min_sequence_number.value_or(*entry.sequence_number), *entry.sequence_number);
    }
  }
  for (const auto& summary : summaries) file.partitions.push_back(summary.Finish());
  encoded.inherits_sequence_number = inherits;
  file.min_sequence_number = min_sequence_number.value_or(std::numeric_limits<int64_t>::max());
  encoded.bytes = std::move(writer).Finish();
  file.length = static_cast<int64_t>(encoded.bytes.size());
  return encoded;
}

Result<std::vector<ManifestEntry>> DecodeManifest(const TableMetadata& table,
                                                  const ManifestFile& file,
                                                  std::string_view bytes) {
  const PartitionSpec* spec = table.FindSpec(file.spec_id);
  if (spec == nullptr) {
    return DataLoss(fmt::format("manifest: the table has no spec {}", file.spec_id));
  }
  TARN_ASSIGN_OR_RETURN(auto avro, AvroFile::Open(bytes, {}));
  std::vector<ManifestEntry> entries;
  TARN_TRY(avro.ForEach([&](const AvroDatum& record) -> Status {
    TARN_ASSIGN_OR_RETURN(auto entry, EntryOf(record, *spec, file));
    entries.push_back(std::move(entry));
    return {};
  }));
  return entries;
}

std::string EncodeManifestList(const Snapshot& snapshot, const std::vector<ManifestFile>& files) {
  const std::map<std::string, std::string> metadata = {
      {"snapshot-id", std::to_string(snapshot.id)},
      {"parent-snapshot-id", snapshot.parent_id ? std::to_string(*snapshot.parent_id) : "null"},
      {"sequence-number", std::to_string(snapshot.sequence_number)},
      {"format-version", "2"}};
  AvroWriter writer(std::string(kListSchema), metadata, AvroCodec::kDeflate,
                    SyncMarker(std::to_string(snapshot.id)));
  for (const auto& file : files) writer.Append(EncodeManifestFile(file));
  return std::move(writer).Finish();
}

Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes) {
  TARN_ASSIGN_OR_RETURN(auto avro, AvroFile::Open(bytes, {}));
  std::vector<ManifestFile> files;
  TARN_TRY(avro.ForEach([&](const AvroDatum& record) -> Status {
    TARN_ASSIGN_OR_RETURN(auto file, ManifestFileOf(record));
    files.push_back(std::move(file));
    return {};
  }));
  return files;
}

}  // namespace tarn::iceberg
