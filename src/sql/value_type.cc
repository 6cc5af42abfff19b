#include <fmt/format.h>

#include "sql/duckdb_handle_internal.h"
#include "sql/value_type_internal.h"

namespace tarn::sql {
namespace {

// A deeper type would be recursion on input.
constexpr int kMaxDepth = 64;

struct KindRow {
  duckdb_type id;
  ValueKind kind;
  std::string_view text;
};

constexpr KindRow kKinds[] = {
    {DUCKDB_TYPE_SQLNULL, ValueKind::kNull, "\"NULL\""},
    {DUCKDB_TYPE_BOOLEAN, ValueKind::kBoolean, "BOOLEAN"},
    {DUCKDB_TYPE_TINYINT, ValueKind::kInteger, "TINYINT"},
    {DUCKDB_TYPE_SMALLINT, ValueKind::kInteger, "SMALLINT"},
    {DUCKDB_TYPE_INTEGER, ValueKind::kInteger, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, ValueKind::kInteger, "BIGINT"},
    {DUCKDB_TYPE_UTINYINT, ValueKind::kInteger, "UTINYINT"},
    {DUCKDB_TYPE_USMALLINT, ValueKind::kInteger, "USMALLINT"},
    {DUCKDB_TYPE_UINTEGER, ValueKind::kInteger, "UINTEGER"},
    {DUCKDB_TYPE_UBIGINT, ValueKind::kHugeInteger, "UBIGINT"},
    {DUCKDB_TYPE_HUGEINT, ValueKind::kHugeInteger, "HUGEINT"},
    {DUCKDB_TYPE_UHUGEINT, ValueKind::kUnsignedHuge, "UHUGEINT"},
    {DUCKDB_TYPE_FLOAT, ValueKind::kFloat, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, ValueKind::kDouble, "DOUBLE"},
    {DUCKDB_TYPE_VARCHAR, ValueKind::kString, "VARCHAR"},
    {DUCKDB_TYPE_BLOB, ValueKind::kBlob, "BLOB"},
    {DUCKDB_TYPE_BIT, ValueKind::kBit, "BIT"},
    {DUCKDB_TYPE_DATE, ValueKind::kDate, "DATE"},
    {DUCKDB_TYPE_TIME, ValueKind::kTime, "TIME"},
    {DUCKDB_TYPE_TIME_TZ, ValueKind::kTimeTz, "TIME WITH TIME ZONE"},
    {DUCKDB_TYPE_TIMESTAMP, ValueKind::kTimestamp, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_S, ValueKind::kTimestamp, "TIMESTAMP_S"},
    {DUCKDB_TYPE_TIMESTAMP_MS, ValueKind::kTimestamp, "TIMESTAMP_MS"},
    {DUCKDB_TYPE_TIMESTAMP_NS, ValueKind::kTimestampNs, "TIMESTAMP_NS"},
    {DUCKDB_TYPE_TIMESTAMP_TZ, ValueKind::kTimestampTz, "TIMESTAMP WITH TIME ZONE"},
    {DUCKDB_TYPE_INTERVAL, ValueKind::kInterval, "INTERVAL"},
    {DUCKDB_TYPE_UUID, ValueKind::kUuid, "UUID"},
};

std::string TakeText(char* text) {
  std::string out = text == nullptr ? "" : text;
  duckdb_free(text);
  return out;
}

Result<ValueType> Build(duckdb_logical_type type, int depth);

Status AddChild(ValueType& parent, duckdb_logical_type child, int depth) {
  const TypeHandle held(child);
  TARN_ASSIGN_OR_RETURN(ValueType built, Build(child, depth + 1));
  parent.children.push_back(std::move(built));
  return {};
}

Status BuildMembers(ValueType& out, duckdb_logical_type type, int depth) {
  const bool is_struct = out.id == DUCKDB_TYPE_STRUCT;
  out.kind = is_struct ? ValueKind::kStruct : ValueKind::kUnion;
  const idx_t count =
      is_struct ? duckdb_struct_type_child_count(type) : duckdb_union_type_member_count(type);
  std::string members;
  for (idx_t i = 0; i < count; ++i) {
    out.names.push_back(TakeText(is_struct ? duckdb_struct_type_child_name(type, i)
                                           : duckdb_union_type_member_name(type, i)));
    TARN_TRY(AddChild(
        out,
        is_struct ? duckdb_struct_type_child_type(type, i) : duckdb_union_type_member_type(type, i),
        depth));
    members += fmt::format("{}{} {}", i == 0 ? "" : ", ", QuotedName(out.names.back()),
                           out.children.back().text);
  }
  out.text = fmt::format("{}({})", is_struct ? "STRUCT" : "UNION", members);
  return {};
}

void BuildEnum(ValueType& out, duckdb_logical_type type) {
  out.kind = ValueKind::kEnum;
  out.storage = duckdb_enum_internal_type(type);
  const uint32_t count = duckdb_enum_dictionary_size(type);
  std::string words;
  for (uint32_t i = 0; i < count; ++i) {
    out.names.push_back(TakeText(duckdb_enum_dictionary_value(type, i)));
    words += (i == 0 ? "" : ", ") + Quoted(out.names.back());
  }
  out.text = "ENUM(" + words + ")";
}

Status BuildNested(ValueType& out, duckdb_logical_type type, int depth) {
  switch (out.id) {
    case DUCKDB_TYPE_LIST:
      out.kind = ValueKind::kList;
      TARN_TRY(AddChild(out, duckdb_list_type_child_type(type), depth));
      out.text = out.children[0].text + "[]";
      return {};
    case DUCKDB_TYPE_ARRAY:
      out.kind = ValueKind::kList;
      out.array_size = duckdb_array_type_array_size(type);
      TARN_TRY(AddChild(out, duckdb_array_type_child_type(type), depth));
      out.text = fmt::format("{}[{}]", out.children[0].text, out.array_size);
      return {};
    case DUCKDB_TYPE_MAP:
      out.kind = ValueKind::kMap;
      TARN_TRY(AddChild(out, duckdb_map_type_key_type(type), depth));
      TARN_TRY(AddChild(out, duckdb_map_type_value_type(type), depth));
      out.text = fmt::format("MAP({}, {})", out.children[0].text, out.children[1].text);
      return {};
    default:
      return BuildMembers(out, type, depth);
  }
}

Result<ValueType> Build(duckdb_logical_type type, int depth) {
  if (depth > kMaxDepth) return Unsupported("a type nested deeper than 64 levels");
  ValueType out;
  out.id = duckdb_get_type_id(type);
  switch (out.id) {
    case DUCKDB_TYPE_DECIMAL:
      out.kind = ValueKind::kDecimal;
      out.precision = duckdb_decimal_width(type);
      out.scale = duckdb_decimal_scale(type);
      out.storage = duckdb_decimal_internal_type(type);
      out.text = fmt::format("DECIMAL({},{})", out.precision, out.scale);
      return out;
    case DUCKDB_TYPE_ENUM:
      BuildEnum(out, type);
      return out;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
      TARN_TRY(BuildNested(out, type, depth));
      return out;
    default:
      break;
  }
  for (const KindRow& row : kKinds) {
    if (row.id != out.id) continue;
    out.kind = row.kind;
    out.text = TakeText(duckdb_logical_type_get_alias(type));
    if (out.text.empty()) out.text = row.text;
    return out;
  }
  return Unsupported("a value of a type that has no form here: cast it to VARCHAR");
}

}  // namespace

Result<ValueType> ValueTypeOf(duckdb_logical_type type) { return Build(type, 0); }

VectorView ViewOf(duckdb_vector vector, const ValueType& type) {
  VectorView view{.type = &type};
  view.data = duckdb_vector_get_data(vector);
  view.validity = duckdb_vector_get_validity(vector);
  switch (type.id) {
    case DUCKDB_TYPE_LIST:
      view.children.push_back(ViewOf(duckdb_list_vector_get_child(vector), type.children[0]));
      break;
    case DUCKDB_TYPE_ARRAY:
      view.children.push_back(ViewOf(duckdb_array_vector_get_child(vector), type.children[0]));
      break;
    case DUCKDB_TYPE_MAP: {
      // A list of structs of key and value.
      const duckdb_vector entries = duckdb_list_vector_get_child(vector);
      for (idx_t i = 0; i < 2; ++i) {
        view.children.push_back(
            ViewOf(duckdb_struct_vector_get_child(entries, i), type.children[i]));
      }
      break;
    }
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION: {
      // A union is a struct whose first member is the tag.
      const idx_t first = type.id == DUCKDB_TYPE_UNION ? 1 : 0;
      if (first == 1) {
        view.tags = static_cast<const uint8_t*>(
            duckdb_vector_get_data(duckdb_struct_vector_get_child(vector, 0)));
      }
      for (size_t i = 0; i < type.children.size(); ++i) {
        view.children.push_back(
            ViewOf(duckdb_struct_vector_get_child(vector, first + i), type.children[i]));
      }
      break;
    }
    default:
      break;
  }
  return view;
}

}  // namespace tarn::sql
