#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace tarn::iceberg {

// The Avro object container format (Avro 1.11 specification, "Object Container Files"), as far as
// Iceberg manifests need it. Codecs null and deflate.

enum class AvroCodec : uint8_t { kNull, kDeflate };

// Appends Avro's binary encodings.
void PutAvroLong(std::string& out, int64_t value);            // int too
void PutAvroBytes(std::string& out, std::string_view bytes);  // string too

// Writes a file of records that the caller encodes. Thread-confined.
class AvroWriter {
 public:
  // `metadata` goes into the header beside avro.schema and avro.codec. `sync` is the 16-byte
  // marker.
  AvroWriter(const std::string& schema_json, const std::map<std::string, std::string>& metadata,
             AvroCodec codec, std::string_view sync);
  void Append(std::string_view record);
  std::string Finish() &&;

 private:
  void FlushBlock();

  AvroCodec codec_;
  std::string sync_;
  std::string out_;
  std::string block_;
  int64_t block_count_ = 0;
};

struct AvroSchema;

// A decoded value; valid during the visit only. Enums are their index, unions the value of their
// branch.
struct AvroDatum {
  enum class Kind : uint8_t { kNull, kBool, kLong, kDouble, kBytes, kRecord, kArray, kMap };
  Kind kind = Kind::kNull;
  bool decimal = false;          // kBytes with logicalType decimal
  int64_t integer = 0;           // kBool, kLong
  double number = 0;             // kDouble
  std::string_view bytes;        // kBytes: bytes, string, fixed
  std::vector<AvroDatum> items;  // kRecord: one per field; kArray; kMap: key, value, key, value…
  const AvroSchema* schema = nullptr;  // kRecord; owned by the file

  bool is_null() const { return kind == Kind::kNull; }
  // The field with that Iceberg field id, or, where the writer gave it no id, that name. nullptr if
  // there is none or its value is null.
  const AvroDatum* Field(int32_t field_id, std::string_view name) const;
  // Whether the writer's schema has that field, null or not.
  bool Has(int32_t field_id, std::string_view name) const;
};

struct AvroSchema {
  enum class Kind : uint8_t {
    kNull,
    kBoolean,
    kInt,
    kLong,
    kFloat,
    kDouble,
    kBytes,
    kString,
    kFixed,
    kEnum,
    kRecord,
    kArray,
    kMap,
    kUnion,
  };
  struct RecordField {
    std::string name;
    int32_t field_id = -1;
    const AvroSchema* type = nullptr;
  };
  Kind kind = Kind::kNull;
  bool decimal = false;
  size_t fixed_size = 0;
  std::vector<RecordField> fields;
  std::vector<const AvroSchema*> types;  // union branches; array items; map values

  // Of a record's field: by id, or, where the writer gave it no id, by name.
  std::optional<size_t> Position(int32_t field_id, std::string_view name) const;
};

// Limits on foreign bytes; DataLoss beyond them.
struct AvroLimits {
  uint64_t max_block_bytes = 256'000'000;  // decompressed
  uint64_t max_record_datums = 2'000'000;  // values in one record
  int max_depth = 32;                      // of nested values
};

// A file of any writer: read by the schema in its header. The bytes are borrowed and must outlive
// it. Thread-confined.
class AvroFile {
 public:
  static Result<AvroFile> Open(std::string_view bytes, const AvroLimits& limits);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const AvroSchema& schema() const { return *root_; }
  // Calls `visit` for each record; stops at its first error.
  Status ForEach(const std::function<Status(const AvroDatum&)>& visit);

 private:
  AvroFile() = default;
  Status OpenHeader(std::string_view bytes);

  std::map<std::string, std::string> metadata_;
  std::vector<std::unique_ptr<AvroSchema>> nodes_;
  const AvroSchema* root_ = nullptr;
  std::string_view rest_;
  std::string sync_;
  AvroCodec codec_ = AvroCodec::kNull;
  AvroLimits limits_;
};

}  // namespace tarn::iceberg
