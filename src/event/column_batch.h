#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/schema.h"

namespace tarn::event {

// One column of a batch: the values of `size()` rows, in the form its kind wants. A null row holds
// a zero or an empty string in its place. Booleans, ints, dates, times and timestamps are int64;
// float and double are double; string, binary, fixed and uuid (16 bytes) are bytes laid end to end.
// Nested kinds and decimals do not occur on the ingest path.
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
    bytes_.append(value);
    EndBytes();
  }
  void AppendNull();

  // For decoders that write a value in place: append to `bytes_buffer()`, then EndBytes() once a
  // value.
  std::string& bytes_buffer() { return bytes_; }
  void EndBytes() {
    offsets_.push_back(static_cast<int64_t>(bytes_.size()));
    valid_.push_back(1);
  }

  bool IsNull(size_t row) const { return valid_[row] == 0; }
  int64_t IntAt(size_t row) const { return ints_[row]; }
  double DoubleAt(size_t row) const { return doubles_[row]; }
  std::string_view BytesAt(size_t row) const {
    const auto begin = static_cast<size_t>(offsets_[row]);
    return std::string_view(bytes_).substr(begin, static_cast<size_t>(offsets_[row + 1]) - begin);
  }

  // Raw arrays, for encoders. valid(): one byte a row, 1 = present. offsets(): size() + 1 of them.
  const std::vector<uint8_t>& valid() const { return valid_; }
  const std::vector<int64_t>& ints() const { return ints_; }
  const std::vector<double>& doubles() const { return doubles_; }
  const std::vector<int64_t>& offsets() const { return offsets_; }
  const std::string& bytes() const { return bytes_; }

  // Appends row `row` of `other`, which has the same kind.
  void AppendFrom(const Column& other, size_t row);
  // Drops the last row, whatever it was.
  void RemoveLast();
  void Clear();
  // Heap bytes in use by values.
  size_t memory_bytes() const;

 private:
  enum class Storage : uint8_t { kInt, kDouble, kBytes };
  static Storage StorageOf(TypeKind kind);

  TypeKind kind_;
  Storage storage_;
  std::vector<uint8_t> valid_;
  std::vector<int64_t> ints_;
  std::vector<double> doubles_;
  std::vector<int64_t> offsets_;
  std::string bytes_;
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
