#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::event {

// The types a lake column can have: Iceberg v2's, under Iceberg's names.
enum class TypeKind : uint8_t {
  kBoolean,
  kInt,   // 32 bits
  kLong,  // 64 bits
  kFloat,
  kDouble,
  kDecimal,      // precision 1-38, scale
  kDate,         // days since 1970-01-01
  kTime,         // microseconds since midnight
  kTimestamp,    // microseconds, no zone
  kTimestamptz,  // microseconds, UTC
  kString,
  kUuid,
  kFixed,  // `length` bytes
  kBinary,
  kStruct,
  kList,
  kMap,
};

struct Field;

// A column's type. Nested kinds carry their fields in `children`: struct 0..n, list exactly
// "element", map exactly "key" and "value".
struct Type {
  TypeKind kind = TypeKind::kString;
  int precision = 0;  // kDecimal
  int scale = 0;      // kDecimal
  int length = 0;     // kFixed
  std::vector<Field> children;

  bool nested() const { return kind >= TypeKind::kStruct; }
  bool operator==(const Type& other) const;
};

struct Field {
  int32_t id = 0;  // unique in its table for ever, never reused
  std::string name;
  Type type;
  bool required = false;
  std::string doc;

  bool operator==(const Field& other) const = default;
};

// The columns of a table, in order.
struct Schema {
  int32_t id = 0;
  std::vector<Field> fields;

  // nullptr if there is none. Top-level columns only.
  const Field* Find(std::string_view name) const;
  // As SQL looks for it: capital letters (of ASCII) are as small ones. The first of several.
  const Field* FindNoCase(std::string_view name) const;
  const Field* FindById(int32_t field_id) const;
  // Position of a top-level column.
  std::optional<size_t> IndexOf(std::string_view name) const;
  bool operator==(const Schema& other) const = default;
};

// "decimal(10, 2)", "timestamptz", "fixed[16]", "string"; nested kinds answer "struct", "list",
// "map".
std::string TypeName(const Type& type);
// Reads what TypeName writes for the primitive kinds; nullopt otherwise.
std::optional<Type> ParsePrimitiveType(std::string_view name);

}  // namespace tarn::event
