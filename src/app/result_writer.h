#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "sql/result.h"

namespace tarn::app {

enum class ResultFormat : uint8_t { kTable, kCsv, kJson };

// How a result is shown.
struct ResultStyle {
  ResultFormat format = ResultFormat::kTable;
  // Of kTable, for somebody who watches a terminal:
  uint64_t most_rows = UINT64_MAX;  // more are counted, not shown
  size_t width = 0;                 // columns of the terminal; 0: as wide as it gets
  bool records = false;             // each row as lines of "column  value"
  std::string nothing = {};         // instead of a table without rows
};

// Writes the rows of a result to a stream as they come. `kTable` keeps up to kMeasuredRows rows to
// measure columns; a row after those may be wider. Where a table is wider than `width`, its widest
// texts are cut, and where that does not help, rows become records. csv (RFC 4180, with header) and
// json (one object a line) stream. ReaderGone if the stream is a closed pipe, IoError if it cannot
// be written.
Status WriteResult(sql::QueryResult& result, const ResultStyle& style, std::FILE* out);

inline constexpr size_t kMeasuredRows = 10'000;

}  // namespace tarn::app
