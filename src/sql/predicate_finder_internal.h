#pragma once

#include <vector>

#include "event/predicate.h"
#include "sql/literal_internal.h"
#include "sql/statement_internal.h"
#include "sql/table_resolver.h"

namespace tarn::sql {

// A mention of a table and what the table is.
struct BoundReference {
  const TableReference* reference;
  const TableInfo* table;
};

// What the WHERE of the SELECT around a mention says of the table's rows: those of its conjuncts
// that compare a plain column of the table (or a timestamp's date) with constants. A conjunct that
// is not understood is left out. `siblings` are all mentions in the statement.
event::Filter FindPredicates(const BoundReference& bound,
                             const std::vector<BoundReference>& siblings, LiteralReader& literals);

}  // namespace tarn::sql
