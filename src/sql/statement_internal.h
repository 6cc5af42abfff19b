#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace tarn::sql {

// One mention of a table of the resolver in a statement.
struct TableReference {
  std::string schema;  // as written; empty: unqualified
  std::string name;
  const codec::Json* node = nullptr;    // its BASE_TABLE in the tree
  const codec::Json* select = nullptr;  // the SELECT whose FROM names it
};

enum class StatementKind : uint8_t { kSelect, kShowTables };

// What the walk over a parsed statement found. Points into the tree it walked.
struct Statement {
  StatementKind kind = StatementKind::kSelect;
  std::vector<TableReference> tables;
  // The statement is `SELECT count(*) FROM table` and nothing else: the name of its column.
  std::optional<std::string> only_counts;
};

// Whether there is a function of that name (lower case), allowed or not.
using FunctionExists = std::function<Result<bool>(const std::string& name)>;

// Walks the whole tree that json_serialize_sql made of a statement and refuses whatever is not on
// the list: node types, functions (sql/functions_internal.h), names that could be files, other
// catalogs. PermissionDenied, naming it; NotFound with the nearest one for a function that does not
// exist at all. `exists` is asked only about functions that are not on the list.
Result<Statement> CheckStatement(const codec::Json& tree, const FunctionExists& exists);

// ASCII lower case, as SQL compares names.
std::string Lower(std::string_view text);

}  // namespace tarn::sql
