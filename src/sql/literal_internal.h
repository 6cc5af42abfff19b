#pragma once

#include <duckdb.h>

#include <optional>

#include "codec/json.h"
#include "event/predicate.h"
#include "event/schema.h"

namespace tarn::sql {

// Turns constant expressions of a parsed statement into literals, with DuckDB itself where they
// compute: now() - INTERVAL 1 DAY. Runs in the connection's open transaction, so that now() is the
// query's now().
class LiteralReader {
 public:
  // `keywords_are_values`: current_date and current_timestamp are no column's name here.
  LiteralReader(duckdb_connection connection, bool keywords_are_values)
      : connection_(connection), keywords_are_values_(keywords_are_values) {}

  // The literal a column of that kind is compared with; nullopt where it is no constant, or where
  // comparing by it would not be exactly what DuckDB does.
  std::optional<event::Literal> Read(const codec::Json& expression, event::TypeKind kind);
  // A computation failed, and the transaction with it: nothing read so far counts.
  bool failed() const { return failed_; }

 private:
  std::optional<event::Literal> ReadTime(const codec::Json& expression, event::TypeKind kind);
  std::optional<int64_t> Compute(const std::string& sql);

  duckdb_connection connection_;
  bool keywords_are_values_;
  bool failed_ = false;
};

}  // namespace tarn::sql
