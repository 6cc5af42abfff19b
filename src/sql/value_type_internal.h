#pragma once

#include <duckdb.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sql/result.h"

namespace tarn::sql {

// What is fixed about a column's values, at every level of nesting.
struct ValueType {
  ValueKind kind = ValueKind::kNull;
  duckdb_type id = DUCKDB_TYPE_INVALID;
  duckdb_type storage = DUCKDB_TYPE_INVALID;  // of decimals and enums
  int precision = 0;
  int scale = 0;
  uint64_t array_size = 0;          // ARRAY
  std::vector<std::string> names;   // struct fields, union members, enum words
  std::vector<ValueType> children;  // list: element; map: key, value; struct, union: members
  std::string text;                 // "DECIMAL(10,2)[]"
};

// Unsupported for the kinds that have no form here (BIGNUM, GEOMETRY, VARIANT, TIME_NS).
Result<ValueType> ValueTypeOf(duckdb_logical_type type);

// One vector of a chunk: a type and where its values are. Good as long as the chunk.
struct VectorView {
  const ValueType* type = nullptr;
  const void* data = nullptr;
  const uint64_t* validity = nullptr;  // nullptr: no nulls
  const uint8_t* tags = nullptr;       // union: which member a row has
  std::vector<VectorView> children;

  bool IsNull(uint64_t row) const {
    return validity != nullptr && ((validity[row / 64] >> (row % 64)) & 1) == 0;
  }
};

VectorView ViewOf(duckdb_vector vector, const ValueType& type);

}  // namespace tarn::sql
