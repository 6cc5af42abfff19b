#include "event/column_batch.h"

#include "base/check.h"

namespace tarn::event {

Column::Column(TypeKind kind) : kind_(kind), storage_(StorageOf(kind)) {
  if (storage_ == Storage::kBytes) offsets_.push_back(0);
}

Column::Storage Column::StorageOf(TypeKind kind) {
  switch (kind) {
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return Storage::kDouble;
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return Storage::kBytes;
    case TypeKind::kDecimal:
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap:
      TARN_CHECK(false);
    default:
      return Storage::kInt;
  }
}

void Column::AppendNull() {
  switch (storage_) {
    case Storage::kInt:
      ints_.push_back(0);
      break;
    case Storage::kDouble:
      doubles_.push_back(0);
      break;
    case Storage::kBytes:
      offsets_.push_back(static_cast<int64_t>(bytes_.size()));
      break;
  }
  valid_.push_back(0);
}

void Column::AppendFrom(const Column& other, size_t row) {
  if (other.IsNull(row)) {
    AppendNull();
  } else if (storage_ == Storage::kInt) {
    AppendInt(other.IntAt(row));
  } else if (storage_ == Storage::kDouble) {
    AppendDouble(other.DoubleAt(row));
  } else {
    AppendBytes(other.BytesAt(row));
  }
}

void Column::RemoveLast() {
  valid_.pop_back();
  switch (storage_) {
    case Storage::kInt:
      ints_.pop_back();
      break;
    case Storage::kDouble:
      doubles_.pop_back();
      break;
    case Storage::kBytes:
      offsets_.pop_back();
      bytes_.resize(static_cast<size_t>(offsets_.back()));
      break;
  }
}

void Column::Clear() {
  valid_.clear();
  ints_.clear();
  doubles_.clear();
  bytes_.clear();
  offsets_.clear();
  if (storage_ == Storage::kBytes) offsets_.push_back(0);
}

size_t Column::memory_bytes() const {
  return valid_.size() + (ints_.size() + doubles_.size() + offsets_.size()) * 8 + bytes_.size();
}

ColumnBatch::ColumnBatch(const Schema& schema) {
  columns_.reserve(schema.fields.size());
  for (const Field& field : schema.fields) columns_.emplace_back(field.type.kind);
}

void ColumnBatch::AppendRowFrom(const ColumnBatch& other, size_t row) {
  for (size_t i = 0; i < columns_.size(); ++i) columns_[i].AppendFrom(other.columns_[i], row);
}

void ColumnBatch::RemoveLastRow() {
  for (Column& column : columns_) column.RemoveLast();
}

void ColumnBatch::Clear() {
  for (Column& column : columns_) column.Clear();
}

size_t ColumnBatch::memory_bytes() const {
  size_t total = 0;
  for (const Column& column : columns_) total += column.memory_bytes();
  return total;
}

}  // namespace tarn::event
