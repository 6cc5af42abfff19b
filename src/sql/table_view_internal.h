#pragma once

#include <duckdb.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "sql/table_resolver.h"

namespace tarn::sql {

// A view a query reads a table through.
struct TableView {
  std::string schema;  // where the view is made, as the statement calls it
  std::string name;
  const event::Schema* columns;
  std::vector<std::string> files;  // without repeats
};

// Makes the view in the connection's open transaction: the files' columns by field id, under
// today's names and types, NULL where a file lacks one. `number` tells the query's views apart.
Status MakeView(duckdb_connection connection, const std::string& database, const TableView& view,
                size_t number);

// DuckDB's word for a column's type.
std::string SqlType(const event::Type& type);

}  // namespace tarn::sql
