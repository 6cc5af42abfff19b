#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::sql {

// How a value is held; the exact SQL type is ColumnInfo::type.
enum class ValueKind : uint8_t {
  kNull,          // the type of a bare NULL
  kBoolean,       // Bool
  kInteger,       // Int: TINYINT to BIGINT, UTINYINT to UINTEGER
  kHugeInteger,   // Huge: UBIGINT, HUGEINT
  kUnsignedHuge,  // Huge, to be read as unsigned: UHUGEINT
  kFloat,         // Double
  kDouble,        // Double
  kDecimal,       // Huge, times 10^-scale
  kString,        // Bytes: VARCHAR and its aliases (JSON)
  kBlob,          // Bytes
  kBit,           // Bytes, in DuckDB's form
  kDate,          // Int: days since 1970-01-01; the 32-bit extremes are ±infinity
  kTime,          // Int: microseconds since midnight
  kTimeTz,        // Int: microseconds since midnight; offset in text only
  kTimestamp,     // Int: microseconds since 1970-01-01; the 64-bit extremes are ±infinity
  kTimestampTz,   // Int: the same, UTC
  kTimestampNs,   // Int: nanoseconds
  kInterval,      // text only
  kUuid,          // text only
  kEnum,          // Bytes: the word
  kList,          // size, At: LIST and ARRAY
  kStruct,        // size, At, FieldName
  kMap,           // size, KeyAt, At
  kUnion,         // At(0): the member that is set
};

struct ColumnInfo {
  std::string name;
  std::string type;  // as DuckDB writes it: "DECIMAL(10,2)", "STRUCT(a INTEGER, b VARCHAR[])"
  ValueKind kind = ValueKind::kNull;
  int precision = 0;  // kDecimal
  int scale = 0;      // kDecimal
};

struct VectorView;  // internal: sql/vector_view.h

// One value of a chunk: a view, as short-lived as the chunk. The typed accessors want the kind that
// ValueKind says and a value that is not null.
class Cell {
 public:
  Cell(const VectorView* vector, uint64_t row) : vector_(vector), row_(row) {}

  ValueKind kind() const;
  bool is_null() const;
  bool Bool() const;
  int64_t Int() const;
  __extension__ typedef __int128 Int128;
  Int128 Huge() const;
  double Double() const;
  std::string_view Bytes() const;
  // Nested kinds.
  size_t size() const;
  Cell At(size_t index) const;
  Cell KeyAt(size_t index) const;
  std::string_view FieldName(size_t index) const;

  // As DuckDB's CAST to VARCHAR prints it, except timestamps with time zone: "2026-11-24
  // 13:09:46.5+00". A null appends nothing at the top and "NULL" inside a nested value.
  void AppendText(std::string& out) const;
  // One JSON value: numbers for numbers (decimals, and integers of any size, digit by digit), null
  // for NaN and infinities, objects for structs and for maps with string keys, lists of {"key",
  // "value"} for other maps, ISO 8601 for times ("2026-11-24T13:09:46.5Z"), base64 for blobs,
  // strings for the rest.
  void AppendJson(std::string& out) const;

 private:
  const VectorView* vector_;
  uint64_t row_;
};

// Up to 2,048 rows of a result.
class Chunk {
 public:
  virtual ~Chunk() = default;
  virtual size_t rows() const = 0;
  virtual size_t columns() const = 0;
  virtual Cell At(size_t column, size_t row) const = 0;
};

// A query that is being run, its rows streamed as they are asked for: a small, constant part of the
// result is in memory. Thread-confined, except Interrupt and progress. Its session and engine must
// outlive it.
class QueryResult {
 public:
  virtual ~QueryResult() = default;

  // Known before the first row.
  virtual const std::vector<ColumnInfo>& columns() const = 0;
  // The next rows, never an empty chunk, good until the next call; nullptr after the last. Work
  // starts with the first call. Errors: Cancelled after Interrupt, DeadlineExceeded after the
  // timeout, ResourceExhausted past max_result_bytes or when memory runs out, InvalidArgument for
  // what the values do wrong (a cast, a division), DataLoss or Io for a file that cannot be read.
  // After an error every call answers it again.
  virtual Result<const Chunk*> Next() = 0;
  virtual uint64_t rows_so_far() const = 0;

  // From any thread, also while Next blocks: it returns within about 0.1 s.
  virtual void Interrupt() = 0;
  // Share of the work done, 0 to 1; -1 while unknown.
  virtual double progress() const = 0;
};

}  // namespace tarn::sql
