#include "event/column_batch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace tarn::event {
namespace {

// Blocks grow with what a column has: there may be many columns with little in them.
constexpr size_t kFirstBlockBytes = 128;
constexpr size_t kBlockBytes = 64 << 10;

}  // namespace

Arena& Arena::operator=(Arena&& other) noexcept {
  blocks_ = std::exchange(other.blocks_, {});
  used_ = std::exchange(other.used_, 0);
  at_ = std::exchange(other.at_, nullptr);
  end_ = std::exchange(other.end_, nullptr);
  memory_bytes_ = std::exchange(other.memory_bytes_, 0);
  return *this;
}

std::string_view Arena::Copy(std::string_view bytes) {
  if (bytes.empty()) return "";
  if (bytes.size() > static_cast<size_t>(end_ - at_)) at_ = NextBlock(bytes.size());
  char* const copy = at_;
  std::memcpy(copy, bytes.data(), bytes.size());
  at_ += bytes.size();
  return {copy, bytes.size()};
}

char* Arena::NextBlock(size_t at_least) {
  if (used_ == blocks_.size() || blocks_[used_].size < at_least) {
    const size_t last = used_ == 0 ? 0 : blocks_[used_ - 1].size;
    const size_t size = std::max(std::clamp(last * 2, kFirstBlockBytes, kBlockBytes), at_least);
    Block block{std::make_unique_for_overwrite<char[]>(size), size};
    blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(used_), std::move(block));
  }
  const Block& next = blocks_[used_++];
  memory_bytes_ += next.size;
  end_ = next.bytes.get() + next.size;
  return next.bytes.get();
}

void Arena::Clear() {
  std::erase_if(blocks_, [](const Block& block) { return block.size > kBlockBytes; });
  used_ = 0;
  at_ = end_ = nullptr;
  memory_bytes_ = 0;
}

Column::Column(TypeKind kind) : kind_(kind), storage_(StorageOf(kind)) {}

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

void Column::AppendNulls(size_t count) {
  switch (storage_) {
    case Storage::kInt:
      ints_.resize(ints_.size() + count);
      break;
    case Storage::kDouble:
      doubles_.resize(doubles_.size() + count);
      break;
    case Storage::kBytes:
      views_.resize(views_.size() + count);
      break;
  }
  valid_.resize(valid_.size() + count);
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
      views_.pop_back();
      break;
  }
}

void Column::Clear() {
  valid_.clear();
  ints_.clear();
  doubles_.clear();
  views_.clear();
  is_utf8_ = true;
  arena_.Clear();
}

size_t Column::memory_bytes() const {
  return valid_.size() + (ints_.size() + doubles_.size()) * 8 +
         views_.size() * sizeof(std::string_view) + arena_.memory_bytes();
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
