#include "iceberg/transform.h"

#include <fmt/format.h>

#include <limits>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"

namespace tarn::iceberg {
namespace {

using event::Type;
using event::TypeKind;

uint32_t RotateLeft(uint32_t value, int bits) { return std::rotl(value, bits); }

uint32_t Scramble(uint32_t block) { return RotateLeft(block * 0xcc9e2d51u, 15) * 0x1b873593u; }

bool IsTimestamp(const Type& type) {
  return type.kind == TypeKind::kTimestamp || type.kind == TypeKind::kTimestamptz;
}

bool CanBucket(TypeKind kind) {
  return kind != TypeKind::kBoolean && kind != TypeKind::kFloat && kind != TypeKind::kDouble &&
         kind < TypeKind::kStruct;
}

bool CanTruncate(TypeKind kind) {
  return kind == TypeKind::kInt || kind == TypeKind::kLong || kind == TypeKind::kDecimal ||
         kind == TypeKind::kString || kind == TypeKind::kBinary;
}

int64_t Bucket(int32_t buckets, const Value& value) {
  std::string bytes;
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    PutFixed(bytes, *integer);
  } else if (const auto* decimal = std::get_if<Decimal>(&value)) {
    bytes = DecimalBytes(decimal->unscaled);
  } else {
    bytes = std::get<std::string>(value);
  }
  return static_cast<int64_t>(Murmur3(bytes) & 0x7fffffffu) % buckets;
}

template <typename T>
T TruncateNumber(T value, T width) {
  return value - (((value % width) + width) % width);
}

Result<Value> Truncate(int32_t width, const Type& source, const Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    const auto down = TruncateNumber<Int128>(*integer, width);
    const Int128 least = source.kind == TypeKind::kInt ? Int128{std::numeric_limits<int32_t>::min()}
                                                       : std::numeric_limits<int64_t>::min();
    if (down < least) return InvalidArgument("truncate: below the least value of the type");
    return Value(static_cast<int64_t>(down));
  }
  if (const auto* decimal = std::get_if<Decimal>(&value)) {
    return Value(Decimal{TruncateNumber<Int128>(decimal->unscaled, width)});
  }
  const auto& text = std::get<std::string>(value);
  if (source.kind == TypeKind::kString) {
    return Value(std::string(FirstCodePoints(text, static_cast<size_t>(width))));
  }
  return Value(text.substr(0, static_cast<size_t>(width)));
}

Result<Value> TimeTransform(TransformKind kind, const Type& source, int64_t value) {
  const bool is_date = source.kind == TypeKind::kDate;
  const int64_t days = is_date ? value : FloorDiv(value, kMicrosPerDay);
  int64_t result = days;
  if (kind == TransformKind::kHour) result = FloorDiv(value, kMicrosPerHour);
  if (kind == TransformKind::kYear || kind == TransformKind::kMonth) {
    constexpr int64_t kMaxDays = std::numeric_limits<int64_t>::max() / kMicrosPerDay;
    if (days > kMaxDays || days < -kMaxDays) return InvalidArgument("a date out of range");
    const Civil civil = CivilFromTimestamp({days * kMicrosPerDay});
    result = civil.year - 1970;
    if (kind == TransformKind::kMonth) result = result * 12 + civil.month - 1;
  }
  if (result > std::numeric_limits<int32_t>::max() ||
      result < std::numeric_limits<int32_t>::min()) {
    return InvalidArgument("a time out of the range of its partition transform");
  }
  return Value(result);
}

}  // namespace

uint32_t Murmur3(std::string_view bytes) {
  uint32_t hash = 0;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    hash ^= Scramble(GetFixed<uint32_t>(bytes.data() + at));
    hash = RotateLeft(hash, 13) * 5 + 0xe6546b64u;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > at; --i) {
    tail = (tail << 8) | static_cast<uint8_t>(bytes[i - 1]);
  }
  if (at < bytes.size()) hash ^= Scramble(tail);
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

Transform ParseTransform(std::string_view text) {
  const auto unknown = [&] { return Transform{TransformKind::kUnknown, 0, std::string(text)}; };
  if (text == "identity") return {TransformKind::kIdentity, 0, {}};
  if (text == "year") return {TransformKind::kYear, 0, {}};
  if (text == "month") return {TransformKind::kMonth, 0, {}};
  if (text == "day") return {TransformKind::kDay, 0, {}};
  if (text == "hour") return {TransformKind::kHour, 0, {}};
  if (text == "void") return {TransformKind::kVoid, 0, {}};
  const bool bucket = text.starts_with("bucket[");
  if ((!bucket && !text.starts_with("truncate[")) || !text.ends_with(']')) return unknown();
  const size_t open = text.find('[') + 1;
  const auto parameter = ParseInt64(text.substr(open, text.size() - open - 1));
  if (!parameter || *parameter < 1 || *parameter > std::numeric_limits<int32_t>::max()) {
    return unknown();
  }
  return {bucket ? TransformKind::kBucket : TransformKind::kTruncate,
          static_cast<int32_t>(*parameter),
          {}};
}

std::string TransformText(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return "identity";
    case TransformKind::kBucket:
      return fmt::format("bucket[{}]", transform.parameter);
    case TransformKind::kTruncate:
      return fmt::format("truncate[{}]", transform.parameter);
    case TransformKind::kYear:
      return "year";
    case TransformKind::kMonth:
      return "month";
    case TransformKind::kDay:
      return "day";
    case TransformKind::kHour:
      return "hour";
    case TransformKind::kVoid:
      return "void";
    case TransformKind::kUnknown:
      break;
  }
  return transform.name;
}

std::optional<Type> TransformResultType(const Transform& transform, const Type& source) {
  if (source.nested()) return std::nullopt;
  const Type integer{.kind = TypeKind::kInt};
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kVoid:
      return source;
    case TransformKind::kBucket:
      if (!CanBucket(source.kind)) return std::nullopt;
      return integer;
    case TransformKind::kTruncate:
      if (!CanTruncate(source.kind)) return std::nullopt;
      return source;
    case TransformKind::kHour:
      if (!IsTimestamp(source)) return std::nullopt;
      return integer;
    case TransformKind::kDay:
    case TransformKind::kMonth:
    case TransformKind::kYear:
      if (!IsTimestamp(source) && source.kind != TypeKind::kDate) return std::nullopt;
      if (transform.kind == TransformKind::kDay) return Type{.kind = TypeKind::kDate};
      return integer;
    case TransformKind::kUnknown:
      break;
  }
  return std::nullopt;
}

Result<Value> ApplyTransform(const Transform& transform, const Type& source, const Value& value) {
  if (!TransformResultType(transform, source)) {
    return InvalidArgument("transform " + TransformText(transform) + " cannot be applied to type " +
                           event::TypeName(source));
  }
  if (IsNull(value) || transform.kind == TransformKind::kVoid) return Value();
  if (!ValueFits(source, value)) {
    return InvalidArgument("the value does not fit type " + event::TypeName(source));
  }
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return value;
    case TransformKind::kBucket:
      return Value(Bucket(transform.parameter, value));
    case TransformKind::kTruncate:
      return Truncate(transform.parameter, source, value);
    default:
      return TimeTransform(transform.kind, source, std::get<int64_t>(value));
  }
}

std::string PartitionValueText(const Transform& transform, const Type& result_type,
                               const Value& value) {
  const auto* integer = std::get_if<int64_t>(&value);
  if (integer == nullptr) return ValueText(result_type, value);
  const auto hour_text = [&] { return FormatTimestamp({*integer * kMicrosPerHour}); };
  switch (transform.kind) {
    case TransformKind::kYear:
      return fmt::format("{:04}", 1970 + *integer);
    case TransformKind::kMonth:
      return fmt::format("{:04}-{:02}", 1970 + FloorDiv(*integer, 12),
                         *integer - FloorDiv(*integer, 12) * 12 + 1);
    case TransformKind::kDay:
      return ValueText({.kind = TypeKind::kDate}, value);
    case TransformKind::kHour:
      return hour_text().substr(0, 10) + "-" + hour_text().substr(11, 2);
    default:
      return ValueText(result_type, value);
  }
}

codec::Json SpecToJson(const PartitionSpec& spec) {
  codec::Json::Array fields;
  for (const auto& field : spec.fields) {
    fields.push_back(codec::Json::Object{{"name", field.name},
                                         {"transform", TransformText(field.transform)},
                                         {"source-id", int64_t{field.source_id}},
                                         {"field-id", int64_t{field.field_id}}});
  }
  return codec::Json::Object{{"spec-id", int64_t{spec.id}}, {"fields", std::move(fields)}};
}

Result<PartitionSpec> SpecFromJson(const codec::Json& json) {
  PartitionSpec spec;
  if (json.Find("spec-id") != nullptr) {
    TARN_ASSIGN_OR_RETURN(const int64_t id, json.GetInt("spec-id"));
    spec.id = static_cast<int32_t>(id);
  }
  const codec::Json* fields = json.Find("fields");
  if (fields == nullptr || fields->AsArray() == nullptr) {
    return InvalidArgument("a partition spec without 'fields'");
  }
  int32_t next_field_id = kFirstPartitionFieldId;
  for (const auto& item : *fields->AsArray()) {
    PartitionField field;
    TARN_ASSIGN_OR_RETURN(field.name, item.GetString("name"));
    TARN_ASSIGN_OR_RETURN(const std::string transform, item.GetString("transform"));
    TARN_ASSIGN_OR_RETURN(const int64_t source_id, item.GetInt("source-id"));
    field.transform = ParseTransform(transform);
    field.source_id = static_cast<int32_t>(source_id);
    field.field_id = next_field_id;
    if (item.Find("field-id") != nullptr) {
      TARN_ASSIGN_OR_RETURN(const int64_t field_id, item.GetInt("field-id"));
      field.field_id = static_cast<int32_t>(field_id);
    }
    next_field_id = field.field_id + 1;
    spec.fields.push_back(std::move(field));
  }
  return spec;
}

}  // namespace tarn::iceberg
