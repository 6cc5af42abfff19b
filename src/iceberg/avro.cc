#include "iceberg/avro.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace tarn::iceberg {
namespace {

using codec::Json;
using Kind = AvroSchema::Kind;

constexpr std::string_view kMagic("Obj\1", 4);
constexpr size_t kSyncSize = 16;
constexpr size_t kBlockBytes = 64'000;
constexpr int kRawDeflate = -15;  // zlib window bits: no header, no checksum

Error Broken(std::string_view what) { return DataLoss("Avro file: " + std::string(what)); }

std::string Deflate(std::string_view bytes) {
  z_stream stream{};
  TARN_CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawDeflate, 8,
                          Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  TARN_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> Inflate(std::string_view bytes, uint64_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return ResourceExhausted("zlib: no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::vector<char> chunk(kBlockBytes);
  int status = Z_OK;
  while (status == Z_OK && out.size() <= limit) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(chunk.data(), chunk.size() - stream.avail_out);
    // More room than it needed, yet not at the end: the input is cut off.
    if (status == Z_OK && stream.avail_out != 0) status = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (out.size() > limit) return Broken("a block is too long");
  if (status != Z_STREAM_END) return Broken("a block does not inflate");
  return out;
}

// Takes Avro's binary encodings off the front of borrowed bytes.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : reader_(bytes) {}

  size_t left() const { return reader_.rest().size(); }
  std::string_view rest() const { return reader_.rest(); }

  Result<int64_t> Long() {
    const auto raw = reader_.TakeVarint();
    if (!raw) return Broken("a number is cut off");
    return static_cast<int64_t>(*raw >> 1) ^ -static_cast<int64_t>(*raw & 1);
  }
  Result<std::string_view> Bytes(size_t count) {
    const auto bytes = reader_.TakeBytes(count);
    if (!bytes) return Broken("a value is cut off");
    return *bytes;
  }
  Result<std::string_view> Sized() {
    TARN_ASSIGN_OR_RETURN(const int64_t size, Long());
    if (size < 0) return Broken("a negative length");
    return Bytes(static_cast<size_t>(size));
  }
  // The next group of an array or map; 0 ends it. Every item is held to take a byte, so that a few
  // bytes cannot ask for millions of empty ones.
  Result<int64_t> GroupCount() {
    TARN_ASSIGN_OR_RETURN(int64_t count, Long());
    if (count < 0) {
      TARN_ASSIGN_OR_RETURN([[maybe_unused]] const int64_t bytes, Long());
      if (count == std::numeric_limits<int64_t>::min()) return Broken("a count out of range");
      count = -count;
    }
    if (static_cast<uint64_t>(count) > left()) return Broken("more items than bytes");
    return count;
  }

 private:
  ByteReader reader_;
};

// Parses the header's schema into nodes.
class SchemaParser {
 public:
  explicit SchemaParser(std::vector<std::unique_ptr<AvroSchema>>& nodes) : nodes_(nodes) {}

  Result<const AvroSchema*> Parse(const Json& json) {
    if (const auto* name = json.AsString()) return ByName(*name);
    if (const auto* branches = json.AsArray()) return Union(*branches);
    if (json.AsObject() == nullptr) return Broken("a schema that is no schema");
    const Json* type = json.Find("type");
    if (type == nullptr) return Broken("a schema without type");
    const auto* name = type->AsString();
    if (name == nullptr) return Parse(*type);
    if (*name == "record" || *name == "error") return Record(json);
    if (*name == "array") return Collection(json, Kind::kArray, "items");
    if (*name == "map") return Collection(json, Kind::kMap, "values");
    if (*name == "enum") return Named(json, New(Kind::kEnum));
    if (*name == "fixed") return Fixed(json);
    TARN_ASSIGN_OR_RETURN(const AvroSchema* plain, ByName(*name));
    if (!IsDecimal(json)) return plain;
    AvroSchema* decimal = New(plain->kind);
    decimal->decimal = true;
    return decimal;
  }

 private:
  static bool IsDecimal(const Json& json) {
    const Json* logical = json.Find("logicalType");
    return logical != nullptr && logical->AsString() != nullptr &&
           *logical->AsString() == "decimal";
  }

  AvroSchema* New(Kind kind) {
    nodes_.push_back(std::make_unique<AvroSchema>());
    nodes_.back()->kind = kind;
    return nodes_.back().get();
  }

  Result<const AvroSchema*> ByName(const std::string& name) {
    static constexpr std::array<std::pair<std::string_view, Kind>, 8> kPrimitives = {{
        {"null", Kind::kNull},
        {"boolean", Kind::kBoolean},
        {"int", Kind::kInt},
        {"long", Kind::kLong},
        {"float", Kind::kFloat},
        {"double", Kind::kDouble},
        {"bytes", Kind::kBytes},
        {"string", Kind::kString},
    }};
    for (const auto& [primitive, kind] : kPrimitives) {
      if (name == primitive) return New(kind);
    }
    const auto found = named_.find(name);
    if (found == named_.end()) return Broken("unknown type '" + name + "' in the schema");
    return found->second;
  }

  // Remembers a named type under its name and, if it has one, its full name.
  Result<const AvroSchema*> Named(const Json& json, const AvroSchema* node) {
    auto name = json.GetString("name");
    if (!name.ok()) return Broken("a named type without a name");
    named_[*name] = node;
    const auto space = json.GetString("namespace");
    if (space.ok()) named_[*space + "." + *name] = node;
    return node;
  }

  Result<const AvroSchema*> Union(const Json::Array& branches) {
    AvroSchema* node = New(Kind::kUnion);
    for (const auto& branch : branches) {
      TARN_ASSIGN_OR_RETURN(const AvroSchema* type, Parse(branch));
      node->types.push_back(type);
    }
    return node;
  }

  Result<const AvroSchema*> Collection(const Json& json, Kind kind, std::string_view key) {
    const Json* items = json.Find(key);
    if (items == nullptr) return Broken("an array or map without a type");
    AvroSchema* node = New(kind);
    TARN_ASSIGN_OR_RETURN(const AvroSchema* type, Parse(*items));
    node->types.push_back(type);
    return node;
  }

  Result<const AvroSchema*> Fixed(const Json& json) {
    const auto size = json.GetInt("size");
    if (!size.ok() || *size < 1 || *size > 1'000'000) return Broken("a fixed type of a wrong size");
    AvroSchema* node = New(Kind::kFixed);
    node->fixed_size = static_cast<size_t>(*size);
    node->decimal = IsDecimal(json);
    return Named(json, node);
  }

  Result<const AvroSchema*> Record(const Json& json) {
    AvroSchema* node = New(Kind::kRecord);
    TARN_TRY(Named(json, node));
    const Json* fields = json.Find("fields");
    if (fields == nullptr || fields->AsArray() == nullptr) return Broken("a record without fields");
    for (const auto& item : *fields->AsArray()) {
      AvroSchema::RecordField field;
      auto name = item.GetString("name");
      const Json* type = item.Find("type");
      if (!name.ok() || type == nullptr) return Broken("a field without name or type");
      field.name = std::move(*name);
      const auto id = item.GetInt("field-id");
      if (id.ok() && *id >= 0 && *id <= std::numeric_limits<int32_t>::max()) {
        field.field_id = static_cast<int32_t>(*id);
      }
      TARN_ASSIGN_OR_RETURN(field.type, Parse(*type));
      node->fields.push_back(std::move(field));
    }
    return node;
  }

  std::vector<std::unique_ptr<AvroSchema>>& nodes_;
  std::map<std::string, const AvroSchema*> named_;
};

// Decodes one record.
class Decoder {
 public:
  Decoder(Cursor& in, const AvroLimits& limits) : in_(in), limits_(limits) {}

  Status Decode(const AvroSchema& schema, AvroDatum& out, int depth = 0) {
    if (++datums_ > limits_.max_record_datums) return Broken("a record has too many values");
    if (depth > limits_.max_depth) return Broken("values are nested too deeply");
    out.decimal = schema.decimal;
    switch (schema.kind) {
      case Kind::kNull:
        return {};
      case Kind::kBoolean: {
        TARN_ASSIGN_OR_RETURN(const std::string_view byte, in_.Bytes(1));
        out.kind = AvroDatum::Kind::kBool;
        out.integer = byte[0] != '\0' ? 1 : 0;
        return {};
      }
      case Kind::kInt:
      case Kind::kLong:
      case Kind::kEnum: {
        out.kind = AvroDatum::Kind::kLong;
        TARN_ASSIGN_OR_RETURN(out.integer, in_.Long());
        return {};
      }
      case Kind::kFloat:
      case Kind::kDouble:
        return DecodeFloat(schema.kind == Kind::kFloat ? 4 : 8, out);
      case Kind::kBytes:
      case Kind::kString: {
        out.kind = AvroDatum::Kind::kBytes;
        TARN_ASSIGN_OR_RETURN(out.bytes, in_.Sized());
        return {};
      }
      case Kind::kFixed: {
        out.kind = AvroDatum::Kind::kBytes;
        TARN_ASSIGN_OR_RETURN(out.bytes, in_.Bytes(schema.fixed_size));
        return {};
      }
      case Kind::kRecord:
        return DecodeRecord(schema, out, depth);
      case Kind::kArray:
      case Kind::kMap:
        return DecodeItems(schema, out, depth);
      case Kind::kUnion:
        return DecodeUnion(schema, out, depth);
    }
    return Broken("an unknown type");
  }

 private:
  Status DecodeFloat(size_t size, AvroDatum& out) {
    TARN_ASSIGN_OR_RETURN(const std::string_view bytes, in_.Bytes(size));
    out.kind = AvroDatum::Kind::kDouble;
    out.number = size == 4 ? double{GetFixed<float>(bytes.data())} : GetFixed<double>(bytes.data());
    return {};
  }

  Status DecodeRecord(const AvroSchema& schema, AvroDatum& out, int depth) {
    out.kind = AvroDatum::Kind::kRecord;
    out.schema = &schema;
    out.items.resize(schema.fields.size());
    for (size_t i = 0; i < schema.fields.size(); ++i) {
      TARN_TRY(Decode(*schema.fields[i].type, out.items[i], depth + 1));
    }
    return {};
  }

  Status DecodeItems(const AvroSchema& schema, AvroDatum& out, int depth) {
    const bool is_map = schema.kind == Kind::kMap;
    out.kind = is_map ? AvroDatum::Kind::kMap : AvroDatum::Kind::kArray;
    for (;;) {
      TARN_ASSIGN_OR_RETURN(const int64_t count, in_.GroupCount());
      if (count == 0) return {};
      for (int64_t i = 0; i < count; ++i) {
        if (is_map) {
          AvroDatum& key = out.items.emplace_back();
          key.kind = AvroDatum::Kind::kBytes;
          TARN_ASSIGN_OR_RETURN(key.bytes, in_.Sized());
        }
        TARN_TRY(Decode(*schema.types[0], out.items.emplace_back(), depth + 1));
      }
    }
  }

  Status DecodeUnion(const AvroSchema& schema, AvroDatum& out, int depth) {
    TARN_ASSIGN_OR_RETURN(const int64_t branch, in_.Long());
    if (branch < 0 || static_cast<uint64_t>(branch) >= schema.types.size()) {
      return Broken("a union without that branch");
    }
    return Decode(*schema.types[static_cast<size_t>(branch)], out, depth + 1);
  }

  Cursor& in_;
  const AvroLimits& limits_;
  uint64_t datums_ = 0;
};

Status ReadBlock(std::string_view block, int64_t count, const AvroSchema& root,
                 const AvroLimits& limits, const std::function<Status(const AvroDatum&)>& visit) {
  Cursor in(block);
  if (count < 0 || static_cast<uint64_t>(count) > block.size()) {
    return Broken("more records than bytes");
  }
  for (int64_t i = 0; i < count; ++i) {
    AvroDatum record;
    TARN_TRY(Decoder(in, limits).Decode(root, record));
    TARN_TRY(visit(record));
  }
  if (in.left() != 0) return Broken("bytes left over in a block");
  return {};
}

}  // namespace

void PutAvroLong(std::string& out, int64_t value) {
  PutVarint(out, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void PutAvroBytes(std::string& out, std::string_view bytes) {
  PutAvroLong(out, static_cast<int64_t>(bytes.size()));
  out.append(bytes);
}

AvroWriter::AvroWriter(const std::string& schema_json,
                       const std::map<std::string, std::string>& metadata, AvroCodec codec,
                       std::string_view sync)
    : codec_(codec), sync_(sync) {
  TARN_CHECK(sync.size() == kSyncSize);
  out_ = kMagic;
  PutAvroLong(out_, static_cast<int64_t>(metadata.size()) + 2);
  PutAvroBytes(out_, "avro.schema");
  PutAvroBytes(out_, schema_json);
  PutAvroBytes(out_, "avro.codec");
  PutAvroBytes(out_, codec == AvroCodec::kDeflate ? "deflate" : "null");
  for (const auto& [key, value] : metadata) {
    PutAvroBytes(out_, key);
    PutAvroBytes(out_, value);
  }
  PutAvroLong(out_, 0);
  out_ += sync_;
}

void AvroWriter::Append(std::string_view record) {
  block_ += record;
  ++block_count_;
  if (block_.size() >= kBlockBytes) FlushBlock();
}

void AvroWriter::FlushBlock() {
  if (block_count_ == 0) return;
  PutAvroLong(out_, block_count_);
  PutAvroBytes(out_, codec_ == AvroCodec::kDeflate ? Deflate(block_) : block_);
  out_ += sync_;
  block_.clear();
  block_count_ = 0;
}

std::string AvroWriter::Finish() && {
  FlushBlock();
  return std::move(out_);
}

const AvroDatum* AvroDatum::Field(int32_t field_id, std::string_view name) const {
  if (schema == nullptr) return nullptr;
  const auto at = schema->Position(field_id, name);
  return at && !items[*at].is_null() ? &items[*at] : nullptr;
}

bool AvroDatum::Has(int32_t field_id, std::string_view name) const {
  return schema != nullptr && schema->Position(field_id, name).has_value();
}

std::optional<size_t> AvroSchema::Position(int32_t field_id, std::string_view name) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    const bool same =
        fields[i].field_id >= 0 ? fields[i].field_id == field_id : fields[i].name == name;
    if (same) return i;
  }
  return std::nullopt;
}

Result<AvroFile> AvroFile::Open(std::string_view bytes, const AvroLimits& limits) {
  AvroFile file;
  file.limits_ = limits;
  TARN_TRY(file.OpenHeader(bytes));
  return file;
}

Status AvroFile::OpenHeader(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return Broken("it does not start as one");
  Cursor in(bytes.substr(kMagic.size()));
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const int64_t count, in.GroupCount());
    if (count == 0) break;
    for (int64_t i = 0; i < count; ++i) {
      TARN_ASSIGN_OR_RETURN(const std::string_view key, in.Sized());
      TARN_ASSIGN_OR_RETURN(const std::string_view value, in.Sized());
      metadata_[std::string(key)] = value;
    }
  }
  TARN_ASSIGN_OR_RETURN(const std::string_view sync, in.Bytes(kSyncSize));
  sync_ = sync;
  rest_ = in.rest();
  const std::string codec = metadata_.contains("avro.codec") ? metadata_["avro.codec"] : "null";
  if (codec != "null" && codec != "deflate") {
    return Unsupported(fmt::format("Avro codec '{}'", codec));
  }
  codec_ = codec == "deflate" ? AvroCodec::kDeflate : AvroCodec::kNull;
  auto json = codec::ParseJson(metadata_["avro.schema"]);
  if (!json.ok()) return Broken("its schema: " + json.error().message());
  TARN_ASSIGN_OR_RETURN(root_, SchemaParser(nodes_).Parse(*json));
  return {};
}

Status AvroFile::ForEach(const std::function<Status(const AvroDatum&)>& visit) {
  Cursor in(rest_);
  while (in.left() > 0) {
    TARN_ASSIGN_OR_RETURN(const int64_t count, in.Long());
    TARN_ASSIGN_OR_RETURN(const std::string_view block, in.Sized());
    TARN_ASSIGN_OR_RETURN(const std::string_view sync, in.Bytes(kSyncSize));
    if (sync != sync_) return Broken("a block does not end with the sync marker");
    if (codec_ == AvroCodec::kNull) {
      TARN_TRY(ReadBlock(block, count, *root_, limits_, visit));
    } else {
      TARN_ASSIGN_OR_RETURN(const std::string inflated, Inflate(block, limits_.max_block_bytes));
      TARN_TRY(ReadBlock(inflated, count, *root_, limits_, visit));
    }
  }
  return {};
}

}  // namespace tarn::iceberg
