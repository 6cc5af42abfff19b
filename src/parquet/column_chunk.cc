#include <arrow/extension/uuid.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "parquet/column_chunk_internal.h"

namespace tarn::parquet {
namespace {

using event::TypeKind;

constexpr size_t kUuidBytes = 16;
constexpr size_t kMaxValueBytes = std::numeric_limits<int32_t>::max();  // of Parquet

std::shared_ptr<arrow::DataType> ArrowType(const event::Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return arrow::boolean();
    case TypeKind::kInt:
      return arrow::int32();
    case TypeKind::kLong:
      return arrow::int64();
    case TypeKind::kFloat:
      return arrow::float32();
    case TypeKind::kDouble:
      return arrow::float64();
    case TypeKind::kDate:
      return arrow::date32();
    case TypeKind::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamptz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kString:
      return arrow::utf8();
    case TypeKind::kUuid:
      return arrow::extension::uuid();
    case TypeKind::kFixed:
      return arrow::fixed_size_binary(type.length);
    case TypeKind::kBinary:
      return arrow::binary();
    default:
      return nullptr;
  }
}

Error NullsInRequired(const event::Field& field, const Written& written) {
  return InvalidArgument(fmt::format("column '{}' is required, but {} rows have no value{}",
                                     field.name, written.nulls,
                                     written.nan_nulled > 0 ? " (NaN and infinities count)" : ""));
}

}  // namespace

// Rows of a column that are being written.
struct ColumnChunks::Slice {
  const event::Column& column;
  const event::Field& field;
  const Rows rows;
  const bool has_nulls;
  const int16_t* levels;  // 1: has a value; nullptr for a required column

  // Puts what `value_of` makes of each row that has a value into `values`.
  template <typename T, typename ValueOf>
  const T* Collect(std::vector<T>& values, ValueOf&& value_of) const {
    values.resize(rows.count());
    T* end = values.data();
    for (size_t row = rows.begin; row < rows.end; ++row) {
      if (!has_nulls || !column.IsNull(row)) *end++ = value_of(row);
    }
    values.resize(static_cast<size_t>(end - values.data()));
    return values.data();
  }

  template <typename ParquetType>
  void Put(const typename ParquetType::c_type* values, ::parquet::ColumnWriter& chunk) const {
    static_cast<::parquet::TypedColumnWriter<ParquetType>&>(chunk).WriteBatch(
        static_cast<int64_t>(rows.count()), levels, nullptr, values);
  }
};

Result<Written> ColumnChunks::Write(const event::Column& column, const event::Field& field,
                                    Rows rows, ::parquet::ColumnWriter& chunk) {
  const uint8_t* const valid = column.valid().data() + rows.begin;
  levels_.assign(valid, valid + rows.count());
  Written written{.nulls = std::count(valid, valid + rows.count(), uint8_t{0})};
  if (field.required && written.nulls > 0) return NullsInRequired(field, written);
  const Slice slice{column, field, rows, written.nulls > 0,
                    field.required ? nullptr : levels_.data()};
  TARN_TRY(WriteValues(slice, chunk, written));
  return written;
}

Status ColumnChunks::WriteValues(const Slice& slice, ::parquet::ColumnWriter& chunk,
                                 Written& written) {
  written.bytes = slice.rows.count() * sizeof(int64_t);
  switch (slice.field.type.kind) {
    case TypeKind::kBoolean:
      return WriteBooleans(slice, chunk);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return WriteNarrowed(slice, chunk);
    case TypeKind::kFloat:
      return WriteFloating<::parquet::FloatType>(slice, floats_, chunk, written);
    case TypeKind::kDouble:
      return WriteFloating<::parquet::DoubleType>(slice, doubles_, chunk, written);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return WriteTexts(slice, chunk, written);
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return WriteFixed(slice, chunk, written);
    default:
      return WriteLongs(slice, chunk);
  }
}

Status ColumnChunks::WriteBooleans(const Slice& slice, ::parquet::ColumnWriter& chunk) {
  if (booleans_size_ < slice.rows.count()) {
    booleans_size_ = slice.rows.count();
    booleans_ = std::make_unique<bool[]>(booleans_size_);
  }
  bool* end = booleans_.get();
  for (size_t row = slice.rows.begin; row < slice.rows.end; ++row) {
    if (!slice.column.IsNull(row)) *end++ = slice.column.IntAt(row) != 0;
  }
  slice.Put<::parquet::BooleanType>(booleans_.get(), chunk);
  return {};
}

Status ColumnChunks::WriteLongs(const Slice& slice, ::parquet::ColumnWriter& chunk) {
  const int64_t* values = slice.column.ints().data() + slice.rows.begin;
  if (slice.has_nulls) {
    values = slice.Collect(longs_, [&](size_t row) { return slice.column.IntAt(row); });
  }
  slice.Put<::parquet::Int64Type>(values, chunk);
  return {};
}

Status ColumnChunks::WriteNarrowed(const Slice& slice, ::parquet::ColumnWriter& chunk) {
  int64_t outside = 0;
  const int32_t* const values = slice.Collect(ints_, [&](size_t row) {
    const int64_t value = slice.column.IntAt(row);
    const auto narrow = static_cast<int32_t>(value);
    outside += narrow != value;
    return narrow;
  });
  if (outside > 0) {
    const bool is_date = slice.field.type.kind == TypeKind::kDate;
    return InvalidArgument(fmt::format("column '{}': {} values do not fit {}", slice.field.name,
                                       outside, is_date ? "a date" : "32 bits"));
  }
  slice.Put<::parquet::Int32Type>(values, chunk);
  return {};
}

// NaN and infinities become null, -0.0 becomes 0.0.
template <typename ParquetType, typename T>
Status ColumnChunks::WriteFloating(const Slice& slice, std::vector<T>& values,
                                   ::parquet::ColumnWriter& chunk, Written& written) {
  values.resize(slice.rows.count());
  size_t count = 0;
  for (size_t row = slice.rows.begin; row < slice.rows.end; ++row) {
    if (slice.column.IsNull(row)) continue;
    values[count] = static_cast<T>(slice.column.DoubleAt(row)) + T{0};  // -0.0 + 0.0 = 0.0
    const bool is_finite = std::isfinite(values[count]);
    levels_[row - slice.rows.begin] = is_finite ? 1 : 0;
    written.nan_nulled += is_finite ? 0 : 1;
    count += is_finite ? 1 : 0;
  }
  written.nulls += written.nan_nulled;
  if (slice.field.required && written.nulls > 0) return NullsInRequired(slice.field, written);
  slice.Put<ParquetType>(values.data(), chunk);
  return {};
}

Status ColumnChunks::WriteTexts(const Slice& slice, ::parquet::ColumnWriter& chunk,
                                Written& written) {
  if (!slice.column.is_utf8()) {
    return InvalidArgument(fmt::format("column '{}': a value is no UTF-8", slice.field.name));
  }
  bool all_fit = true;
  uint64_t bytes = 0;
  const ::parquet::ByteArray* const values = slice.Collect(texts_, [&](size_t row) {
    const std::string_view value = slice.column.BytesAt(row);
    bytes += value.size();
    all_fit &= value.size() <= kMaxValueBytes;
    return ::parquet::ByteArray(value);
  });
  written.bytes = bytes;
  if (!all_fit) {
    return InvalidArgument(fmt::format("column '{}': a value is longer than {} bytes",
                                       slice.field.name, kMaxValueBytes));
  }
  if (chunk.properties()->dictionary_enabled(chunk.descr()->path())) Gather(bytes);
  slice.Put<::parquet::ByteArrayType>(values, chunk);
  return {};
}

// Copies the texts end to end: values that lie in long lines are far apart, and a dictionary is
// slower in looking them up than this is in bringing them together.
void ColumnChunks::Gather(uint64_t bytes) {
  if (gathered_.size() < bytes) gathered_.resize(bytes);
  uint8_t* end = gathered_.data();
  ::parquet::ByteArray before;  // as it lay
  const uint8_t* copy = end;
  for (::parquet::ByteArray& text : texts_) {
    if (text.ptr != before.ptr || text.len != before.len) {
      before = text;
      copy = end;
      std::memcpy(end, text.ptr, text.len);
      end += text.len;
    }
    text.ptr = copy;
  }
}

Status ColumnChunks::WriteFixed(const Slice& slice, ::parquet::ColumnWriter& chunk,
                                Written& written) {
  const bool is_uuid = slice.field.type.kind == TypeKind::kUuid;
  const size_t width = is_uuid ? kUuidBytes : static_cast<size_t>(slice.field.type.length);
  std::optional<size_t> other_width;
  const ::parquet::FixedLenByteArray* const values = slice.Collect(fixed_, [&](size_t row) {
    const std::string_view value = slice.column.BytesAt(row);
    if (value.size() != width) other_width = value.size();
    return ::parquet::FixedLenByteArray(reinterpret_cast<const uint8_t*>(value.data()));
  });
  written.bytes = slice.rows.count() * width;
  if (other_width) {
    return InvalidArgument(fmt::format("column '{}': a value of {} bytes, not {}", slice.field.name,
                                       *other_width, width));
  }
  slice.Put<::parquet::FLBAType>(values, chunk);
  return {};
}

Result<std::shared_ptr<arrow::Field>> ArrowField(const event::Field& field) {
  auto type = ArrowType(field.type);
  if (type == nullptr) {
    return Unsupported(fmt::format("column '{}': {} columns are not written here", field.name,
                                   event::TypeName(field.type)));
  }
  auto metadata = arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(field.id)});
  return arrow::field(field.name, std::move(type), !field.required, std::move(metadata));
}

}  // namespace tarn::parquet
