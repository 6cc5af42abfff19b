#include "app/result_writer.h"

#include <fmt/format.h>

#include <cerrno>

#include "app/text_table.h"
#include "codec/json.h"
#include "os/posix_file_system.h"

namespace tarn::app {
namespace {

constexpr size_t kFlushBytes = 1 << 16;

Status Write(std::string_view bytes, std::FILE* out) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size()) return {};
  return os::SystemError("write", "the result", errno);
}

void AppendCsv(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !text.empty()) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void AppendCsvRow(std::string& out, const sql::Chunk& chunk, size_t row) {
  std::string cell;
  for (size_t i = 0; i < chunk.columns(); ++i) {
    if (i > 0) out.push_back(',');
    const sql::Cell value = chunk.At(i, row);
    if (value.is_null()) continue;  // null is nothing, an empty string is ""
    cell.clear();
    value.AppendText(cell);
    AppendCsv(out, cell);
  }
  out.push_back('\n');
}

void AppendJsonRow(std::string& out, const std::vector<std::string>& keys, const sql::Chunk& chunk,
                   size_t row) {
  for (size_t i = 0; i < chunk.columns(); ++i) {
    out.append(keys[i]);
    chunk.At(i, row).AppendJson(out);
  }
  out.append("}\n");
}

// `{"a":` and `,"b":`: what goes before each value.
std::vector<std::string> JsonKeys(const sql::QueryResult& result) {
  std::vector<std::string> keys;
  for (const sql::ColumnInfo& column : result.columns()) {
    std::string key = keys.empty() ? "{" : ",";
    codec::AppendJsonString(key, column.name);
    keys.push_back(key + ":");
  }
  return keys;
}

bool IsNumber(sql::ValueKind kind) {
  return kind >= sql::ValueKind::kInteger && kind <= sql::ValueKind::kDecimal;
}

std::string TableCell(const sql::Cell& value) {
  if (value.is_null()) return "NULL";
  std::string text;
  value.AppendText(text);
  return OnOneLine(std::move(text));
}

// Writes a result as a table: first measures, then writes row by row.
class TableWriter {
 public:
  TableWriter(const sql::QueryResult& result, const ResultStyle& style, std::FILE* out)
      : style_(style), out_(out), table_(Header(result)) {
    for (size_t i = 0; i < result.columns().size(); ++i) {
      if (IsNumber(result.columns()[i].kind)) table_.AlignRight(i);
    }
  }

  Status Add(std::vector<std::string> cells) {
    ++rows_;
    if (rows_ == style_.most_rows + 1) return Flush();  // counting the others may take long
    if (rows_ > style_.most_rows) return {};
    if (!measured_) {
      table_.Add(std::move(cells));
      return table_.rows() == kMeasuredRows ? Begin() : Status();
    }
    return Append(rows_, cells);
  }

  Status Finish() {
    if (rows_ == 0 && !style_.nothing.empty()) return Write(style_.nothing + "\n", out_);
    if (!measured_) TARN_TRY(Begin());
    if (rows_ > style_.most_rows) {
      text_ += fmt::format("… {} more rows; --format csv or json writes all\n",
                           rows_ - style_.most_rows);
    }
    text_ += fmt::format("({} row{})\n", rows_, rows_ == 1 ? "" : "s");
    return Flush();
  }

 private:
  static std::vector<std::string> Header(const sql::QueryResult& result) {
    std::vector<std::string> header;
    for (const sql::ColumnInfo& column : result.columns()) header.push_back(column.name);
    return header;
  }

  Status Begin() {
    measured_ = true;
    records_ = style_.records || (style_.width != 0 && !table_.Narrow(style_.width));
    if (!records_) table_.AppendHeader(text_);
    uint64_t number = 0;
    for (const auto& cells : table_.all()) TARN_TRY(Append(++number, cells));
    return Flush();
  }

  Status Append(uint64_t number, const std::vector<std::string>& cells) {
    if (records_) {
      table_.AppendRecord(text_, number, cells);
    } else {
      table_.AppendRow(text_, cells);
    }
    return text_.size() < kFlushBytes ? Status() : Flush();
  }

  Status Flush() {
    TARN_TRY(Write(text_, out_));
    text_.clear();
    // On a terminal somebody waits for it.
    if (style_.width != 0 && std::fflush(out_) != 0) {
      return os::SystemError("write", "the result", errno);
    }
    return {};
  }

  const ResultStyle& style_;
  std::FILE* const out_;
  TextTable table_;
  bool measured_ = false;
  bool records_ = false;
  uint64_t rows_ = 0;
  std::string text_;
};

Status WriteTable(sql::QueryResult& result, const ResultStyle& style, std::FILE* out) {
  TableWriter writer(result, style, out);
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result.Next());
    if (chunk == nullptr) return writer.Finish();
    for (size_t row = 0; row < chunk->rows(); ++row) {
      std::vector<std::string> cells;
      for (size_t i = 0; i < chunk->columns(); ++i) cells.push_back(TableCell(chunk->At(i, row)));
      TARN_TRY(writer.Add(std::move(cells)));
    }
  }
}

Status WriteLines(sql::QueryResult& result, ResultFormat format, std::FILE* out) {
  std::string text;
  const std::vector<std::string> keys = JsonKeys(result);
  if (format == ResultFormat::kCsv) {
    for (const sql::ColumnInfo& column : result.columns()) {
      if (&column != &result.columns().front()) text.push_back(',');
      AppendCsv(text, column.name);
    }
    text.push_back('\n');
  }
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result.Next());
    if (chunk == nullptr) return Write(text, out);
    for (size_t row = 0; row < chunk->rows(); ++row) {
      if (format == ResultFormat::kCsv) {
        AppendCsvRow(text, *chunk, row);
      } else {
        AppendJsonRow(text, keys, *chunk, row);
      }
      if (text.size() < kFlushBytes) continue;
      TARN_TRY(Write(text, out));
      text.clear();
    }
  }
}

}  // namespace

Status WriteResult(sql::QueryResult& result, const ResultStyle& style, std::FILE* out) {
  return style.format == ResultFormat::kTable ? WriteTable(result, style, out)
                                              : WriteLines(result, style.format, out);
}

}  // namespace tarn::app
