#include <fmt/format.h>

#include "sql/duckdb_handle_internal.h"
#include "sql/table_view_internal.h"

namespace tarn::sql {
namespace {

using event::TypeKind;

// Between the paths of a list; no path holds it.
constexpr char kSeparator = '\x1f';

// read_parquet takes wildcards; a path is meant as it is.
std::string WithoutWildcards(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      out.append({'[', c, ']'});
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// A view is bound once when it is made and once in the query, each time over its whole list of
// files. So it reads the list from a variable, which holds one file while the view is made; and
// the list is one text, which is parsed quicker than thousands of them.
Status SetFiles(duckdb_connection connection, const std::string& variable,
                const std::vector<std::string>& files, size_t count) {
  std::string joined;
  for (size_t i = 0; i < count; ++i) {
    if (files[i].empty() || files[i].front() != '/' ||
        files[i].find(kSeparator) != std::string::npos) {
      return Internal("'" + files[i] + "' is no path of a data file");
    }
    if (i > 0) joined.push_back(kSeparator);
    joined += WithoutWildcards(files[i]);
  }
  return Execute(connection, fmt::format("SET VARIABLE {} = string_split({}, chr(31))", variable,
                                         Quoted(joined)));
}

std::string EmptyRelation(const event::Schema& schema) {
  std::string columns;
  for (const event::Field& field : schema.fields) {
    columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ",
                           SqlType(field.type), QuotedName(field.name));
  }
  return "SELECT " + columns + " WHERE false";
}

std::string FileRelation(const event::Schema& schema, const std::string& variable) {
  std::string columns;
  for (const event::Field& field : schema.fields) {
    columns += fmt::format("{}{}: {{name: {}, type: {}, default_value: NULL}}",
                           columns.empty() ? "" : ", ", field.id, Quoted(field.name),
                           Quoted(SqlType(field.type)));
  }
  return fmt::format(
      "SELECT * FROM read_parquet(getvariable('{}'), schema = MAP {{{}}}, "
      "hive_partitioning = false)",
      variable, columns);
}

}  // namespace

std::string SqlType(const event::Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return "BOOLEAN";
    case TypeKind::kInt:
      return "INTEGER";
    case TypeKind::kLong:
      return "BIGINT";
    case TypeKind::kFloat:
      return "FLOAT";
    case TypeKind::kDouble:
      return "DOUBLE";
    case TypeKind::kDecimal:
      return fmt::format("DECIMAL({},{})", type.precision, type.scale);
    case TypeKind::kDate:
      return "DATE";
    case TypeKind::kTime:
      return "TIME";
    case TypeKind::kTimestamp:
      return "TIMESTAMP";
    case TypeKind::kTimestamptz:
      return "TIMESTAMPTZ";
    case TypeKind::kString:
      return "VARCHAR";
    case TypeKind::kUuid:
      return "UUID";
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return "BLOB";
    case TypeKind::kList:
      return SqlType(type.children.at(0).type) + "[]";
    case TypeKind::kMap:
      return fmt::format("MAP({}, {})", SqlType(type.children.at(0).type),
                         SqlType(type.children.at(1).type));
    case TypeKind::kStruct:
      break;
  }
  std::string members;
  for (const event::Field& child : type.children) {
    members += fmt::format("{}{} {}", members.empty() ? "" : ", ", QuotedName(child.name),
                           SqlType(child.type));
  }
  return "STRUCT(" + members + ")";
}

Status MakeView(duckdb_connection connection, const std::string& database, const TableView& view,
                size_t number) {
  const std::string variable = fmt::format("files_{}", number);
  if (!view.files.empty()) TARN_TRY(SetFiles(connection, variable, view.files, 1));
  const std::string schema = database + "." + QuotedName(view.schema);
  TARN_TRY(Execute(connection, "CREATE SCHEMA IF NOT EXISTS " + schema));
  TARN_TRY(
      Execute(connection, fmt::format("CREATE VIEW {}.{} AS {}", schema, QuotedName(view.name),
                                      view.files.empty() ? EmptyRelation(*view.columns)
                                                         : FileRelation(*view.columns, variable))));
  if (view.files.size() < 2) return {};
  return SetFiles(connection, variable, view.files, view.files.size());
}

}  // namespace tarn::sql
