#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::app {

// A table for people: columns as wide as their widest cell, numbers to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);

  // As many cells as the header has. A null cell (nullopt in SQL) is written by the caller.
  void Add(std::vector<std::string> cells);
  void AlignRight(size_t column) { right_[column] = true; }
  size_t rows() const { return rows_.size(); }
  std::string Print() const;

  // In pieces: header, the rows so far, and rows that were not added (these may be wider).
  void AppendHeader(std::string& out) const;
  void AppendRows(std::string& out) const;
  void AppendRow(std::string& out, const std::vector<std::string>& cells) const;
  // Cuts the widest texts so that a line has `width` columns; false, and nothing done, if too
  // little would be left of them. To be called after the last Add.
  bool Narrow(size_t width);
  // Each row as lines of "column  value".
  void AppendRecord(std::string& out, uint64_t number, const std::vector<std::string>& cells) const;
  const std::vector<std::vector<std::string>>& all() const { return rows_; }

 private:
  static constexpr size_t kLeastWidth = 12;

  std::vector<std::string> header_;
  std::vector<size_t> widths_;  // of the widest cell
  std::vector<bool> right_;
  std::vector<bool> cut_;
  std::vector<std::vector<std::string>> rows_;
};

// The beginning of the text that has `width` columns, with "…" for what is missing.
std::string CutToWidth(const std::string& text, size_t width);

// Terminal columns of UTF-8 text: code points, wide East Asian ones twice.
size_t DisplayWidth(std::string_view text);

// With control characters (C1's too) as \n, \t and \xhh: they would tear a table, or drive the
// terminal.
std::string OnOneLine(std::string text);

// "12,345,678"
std::string GroupDigits(int64_t number);
// "1 row", "12,345 rows"
std::string Counted(int64_t number, std::string_view noun);
std::string Counted(int64_t number, std::string_view noun, std::string_view plural);

}  // namespace tarn::app
