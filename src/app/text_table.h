#pragma once

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

 private:
  std::vector<std::string> header_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// Terminal columns of UTF-8 text: code points, wide East Asian ones twice.
size_t DisplayWidth(std::string_view text);

// "12,345,678"
std::string GroupDigits(int64_t number);

}  // namespace tarn::app
