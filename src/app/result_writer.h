#pragma once

#include <cstdio>
#include <memory>
#include <string_view>

#include "sql/result.h"

namespace tarn::app {

enum class ResultFormat : uint8_t { kTable, kCsv, kJson };

// Writes the rows of a result to a stream as they come. `kTable` keeps up to kTableRows rows to
// measure columns, and says how many it left out; csv (RFC 4180, with header) and json (one object
// a line) stream. IoError if the stream cannot be written; a closed pipe is Cancelled.
Status WriteResult(sql::QueryResult& result, ResultFormat format, std::FILE* out);

inline constexpr size_t kTableRows = 10'000;

}  // namespace tarn::app
