#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "event/schema.h"

namespace tarn::event {

// Bytes that stay where they are until Clear, however many come after them.
class Arena {
 public:
  Arena() = default;
  Arena(Arena&& other) noexcept { *this = std::move(other); }
  Arena& operator=(Arena&& other) noexcept;

  std::string_view Copy(std::string_view bytes);
  // All that was copied is gone; the memory is kept for what comes next, but for large pieces.
  void Clear();
  // Of blocks in use.
  size_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size;
  };
  char* NextBlock(size_t at_least);

  std::vector<Block> blocks_;
  size_t used_ = 0;  // of the blocks
  char* at_ = nullptr;
  char* end_ = nullptr;
  size_t memory_bytes_ = 0;
};

// One column of a batch: the values of `size()` rows, in the form its kind wants. A null row holds
// a zero or an empty string in its place. Booleans, ints, dates, times and timestamps are int64;
// float and double are double; string, binary, fixed and uuid (16 bytes) are views of bytes, which
// the column keeps a copy of or borrows. Nested kinds and decimals do not occur on the ingest path.
class Column {
 public:
  explicit Column(TypeKind kind);

  TypeKind kind() const { return kind_; }
  size_t size() const { return valid_.size(); }
  bool is_bytes() const { return storage_ == Storage::kBytes; }
  bool is_double() const { return storage_ == Storage::kDouble; }

  void AppendInt(int64_t value) {
    ints_.push_back(value);
    valid_.push_back(1);
  }
  void AppendDouble(double value) {
    doubles_.push_back(value);
    valid_.push_back(1);
  }
  void AppendBytes(std::string_view value) {
    if (kind_ == TypeKind::kString && !IsValidUtf8(value)) is_utf8_ = false;
    AppendBorrowed(arena_.Copy(value));
  }
  // Without a copy: the bytes must stay as they are for as long as the column has the row. Those of
  // a string must be UTF-8.
  void AppendBorrowed(std::string_view value) {
    views_.push_back(value);
    valid_.push_back(1);
  }
  void AppendNull() {
    switch (storage_) {
      case Storage::kInt:
        ints_.push_back(0);
        break;
      case Storage::kDouble:
        doubles_.push_back(0);
        break;
      case Storage::kBytes:
        views_.emplace_back();
        break;
    }
    valid_.push_back(0);
  }
  // `count` rows of the same value each.
  void AppendInts(int64_t value, size_t count) {
    ints_.insert(ints_.end(), count, value);
    valid_.insert(valid_.end(), count, 1);
  }
  void AppendBorrowed(std::string_view value, size_t count) {
    views_.insert(views_.end(), count, value);
    valid_.insert(valid_.end(), count, 1);
  }
  void AppendNulls(size_t count);

  // False once a string was appended that is none.
  bool is_utf8() const { return is_utf8_; }
  bool IsNull(size_t row) const { return valid_[row] == 0; }
  int64_t IntAt(size_t row) const { return ints_[row]; }
  double DoubleAt(size_t row) const { return doubles_[row]; }
  std::string_view BytesAt(size_t row) const { return views_[row]; }

  // Raw arrays of size() elements, for encoders. valid(): 1 = present.
  const std::vector<uint8_t>& valid() const { return valid_; }
  const std::vector<int64_t>& ints() const { return ints_; }

  // Appends row `row` of `other`, which has the same kind.
  void AppendFrom(const Column& other, size_t row);
  // Drops the last row, whatever it was.
  void RemoveLast();
  void Clear();
  // Heap bytes in use by values; what is borrowed does not count.
  size_t memory_bytes() const;

 private:
  enum class Storage : uint8_t { kInt, kDouble, kBytes };
  static Storage StorageOf(TypeKind kind);

  TypeKind kind_;
  Storage storage_;
  bool is_utf8_ = true;
  std::vector<uint8_t> valid_;
  std::vector<int64_t> ints_;
  std::vector<double> doubles_;
  std::vector<std::string_view> views_;
  Arena arena_;
};

// Rows by columns: what parsers make and Parquet writers take. Thread-confined.
class ColumnBatch {
 public:
  // Columns in the order of the schema's fields. The schema must have primitive, non-decimal fields
  // only.
  explicit ColumnBatch(const Schema& schema);
  // Of columns of one length.
  explicit ColumnBatch(std::vector<Column> columns) : columns_(std::move(columns)) {}

  size_t rows() const { return columns_.empty() ? 0 : columns_.front().size(); }
  size_t column_count() const { return columns_.size(); }
  Column& column(size_t index) { return columns_[index]; }
  const Column& column(size_t index) const { return columns_[index]; }

  void AppendRowFrom(const ColumnBatch& other, size_t row);
  // Drops the last row.
  void RemoveLastRow();
  void Clear();
  size_t memory_bytes() const;

 private:
  std::vector<Column> columns_;
};

}  // namespace tarn::event
