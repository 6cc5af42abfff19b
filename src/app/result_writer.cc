#include "app/result_writer.h"

#include <fmt/format.h>

#include <cerrno>

#include "app/text_table.h"
#include "codec/json.h"

namespace tarn::app {
namespace {

constexpr size_t kFlushBytes = 1 << 16;

Status Write(std::string_view bytes, std::FILE* out) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size()) return {};
  if (errno == EPIPE) return Cancelled("the reader closed the pipe");
  return IoError("cannot write the result");
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

// One line a cell: control characters would tear the table.
std::string TableCell(const sql::Cell& value) {
  if (value.is_null()) return "";
  std::string text;
  value.AppendText(text);
  for (char& c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

Status WriteTable(sql::QueryResult& result, std::FILE* out) {
  std::vector<std::string> header;
  for (const sql::ColumnInfo& column : result.columns()) header.push_back(column.name);
  TextTable table(header);
  for (size_t i = 0; i < header.size(); ++i) {
    if (IsNumber(result.columns()[i].kind)) table.AlignRight(i);
  }
  uint64_t rows = 0;
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result.Next());
    if (chunk == nullptr) break;
    for (size_t row = 0; row < chunk->rows(); ++row, ++rows) {
      if (table.rows() == kTableRows) continue;
      std::vector<std::string> cells;
      for (size_t i = 0; i < chunk->columns(); ++i) cells.push_back(TableCell(chunk->At(i, row)));
      table.Add(std::move(cells));
    }
  }
  std::string text = table.Print();
  if (rows > table.rows()) {
    text += fmt::format("… {} more rows; --format csv or json writes all\n", rows - table.rows());
  }
  text += fmt::format("({} row{})\n", rows, rows == 1 ? "" : "s");
  return Write(text, out);
}

}  // namespace

Status WriteResult(sql::QueryResult& result, ResultFormat format, std::FILE* out) {
  if (format == ResultFormat::kTable) return WriteTable(result, out);
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

}  // namespace tarn::app
