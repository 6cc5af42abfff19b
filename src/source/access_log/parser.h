#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "event/column_batch.h"
#include "source/access_log/format.h"

namespace tarn::access_log {

// Which values a line gets. JSON leaves nulls out in both.
enum class Shape : uint8_t {
  kCompact,  // `request` and `target` are null where method, path, query and protocol say the same
  kFull,     // every column
};

// Turns lines of one format into typed values. One per thread; it holds only caches and scratch
// memory, so any number may stand over one Format. Nothing is allocated per line once the scratch
// has grown to the longest line.
//
// A line has no newline; one trailing '\r' is ignored. `reason` is set on failure only, is short
// ("status is not a number") and lives as long as the Format. Escapes (\" \\ \n \t \r \b \v \f
// \xhh) are decoded; what is then no UTF-8 becomes U+FFFD. A bare "-" is null, "" is an empty
// string.
class Parser {
 public:
  explicit Parser(Format format, Shape shape = Shape::kCompact);
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  const Format& format() const;

  // Appends one row to a batch made from format().schema(), or nothing on failure. Texts that stand
  // in the line as they are are borrowed from it: its memory must stay for as long as the row does.
  bool Parse(std::string_view line, event::ColumnBatch& rows, std::string_view& reason);
  // Appends one JSON object and '\n', or nothing on failure.
  bool AppendJson(std::string_view line, std::string& out, std::string_view& reason);
  // True exactly if Parse would succeed; makes no values.
  bool Check(std::string_view line, std::string_view& reason);

  // For callers with lines inside a larger buffer: bytes after the end of every line that are safe
  // to read (default 0). 64 lets the vector code run to the end of a line. Bytes read so are never
  // used.
  void set_readable_slack(size_t bytes);
  // Bytes of the texts that Parse did not borrow, of all rows so far.
  uint64_t copied_bytes() const;
  // The caller knows that no line has a byte above 0x7f; it spares Parse looking (default false).
  void set_lines_are_ascii(bool ascii);

  // AppendJson without copying: the object and newline stand at the front of `buffer`
  // (JsonBound(line.size()) bytes) if data() == buffer, and otherwise, when something needed
  // decoding, in the parser's scratch until the next call. An empty view is a failure.
  std::string_view WriteJson(std::string_view line, char* buffer, std::string_view& reason);
  size_t JsonBound(size_t line_size) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tarn::access_log
