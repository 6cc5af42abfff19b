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

// A decoded value. Records and int-keyed maps keep their structure; enums are their index; unions
// are the value of their branch.
struct AvroDatum {
  enum class Kind : uint8_t { kNull, kBool, kLong, kDouble, kBytes, kRecord, kArray, kMap };
  Kind kind = Kind::kNull;
  int64_t integer = 0;   // kBool, kLong
  double number = 0;     // kDouble
  std::string bytes;     // kBytes: bytes, string, fixed
  bool decimal = false;  // kBytes with logicalType decimal
  // kRecord: one per field of the schema, in order. kArray. kMap: the values, keys in map_keys.
  std::vector<AvroDatum> items;
  std::vector<std::string> map_keys;
  const struct AvroSchema* schema = nullptr;  // kRecord; owned by the file

  bool is_null() const { return kind == Kind::kNull; }
  // The field with that Iceberg field id, or, where the writer gave no ids, that name. nullptr if
  // there is none or its value is null.
  const AvroDatum* Field(int32_t field_id, std::string_view name) const;
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
};

// Limits on foreign bytes; DataLoss beyond them.
struct AvroLimits {
  uint64_t max_block_bytes = 256'000'000;  // decompressed
  uint64_t max_datums = 50'000'000;        // values in the file
  int max_depth = 32;
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
  Status ReadBlock(std::string_view block, int64_t count,
                   const std::function<Status(const AvroDatum&)>& visit);

  std::map<std::string, std::string> metadata_;
  std::vector<std::unique_ptr<AvroSchema>> nodes_;
  const AvroSchema* root_ = nullptr;
  std::string_view rest_;
  std::string sync_;
  AvroCodec codec_ = AvroCodec::kNull;
  AvroLimits limits_;
  uint64_t datums_ = 0;
};

}  // namespace tarn::iceberg
