#include <parquet/statistics.h>

#include <algorithm>
#include <type_traits>

#include "base/bytes.h"
#include "parquet/column_stats_internal.h"

namespace tarn::parquet {
namespace {

using ChunkStatistics = std::vector<std::shared_ptr<::parquet::Statistics>>;

template <typename ParquetType>
auto Value(const typename ParquetType::c_type& value, int) {
  return value;
}
template <>
auto Value<::parquet::ByteArrayType>(const ::parquet::ByteArray& value, int) {
  return std::string(reinterpret_cast<const char*>(value.ptr), value.len);
}
template <>
auto Value<::parquet::FLBAType>(const ::parquet::FixedLenByteArray& value, int length) {
  return std::string(reinterpret_cast<const char*>(value.ptr), static_cast<size_t>(length));
}

template <typename T>
std::string Encode(T value, [[maybe_unused]] bool lower) {
  if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else {
    // A stored zero may stand for either sign.
    if constexpr (std::is_floating_point_v<T>) {
      if (value == 0) value = lower ? -T{0} : T{0};
    }
    std::string bytes;
    PutFixed(bytes, value);
    return bytes;
  }
}

template <typename ParquetType>
void SetBounds(const ChunkStatistics& chunks, int length, ColumnStats& stats) {
  using T = decltype(Value<ParquetType>({}, 0));
  std::optional<T> lower;
  std::optional<T> upper;
  for (const auto& chunk : chunks) {
    const auto& typed = static_cast<const ::parquet::TypedStatistics<ParquetType>&>(*chunk);
    T low = Value<ParquetType>(typed.min(), length);
    T high = Value<ParquetType>(typed.max(), length);
    if (!lower || low < *lower) lower = std::move(low);
    if (!upper || *upper < high) upper = std::move(high);
  }
  stats.lower = Encode(*std::move(lower), true);
  stats.upper = Encode(*std::move(upper), false);
}

void SetBoundsOf(::parquet::Type::type type, const ChunkStatistics& chunks, int length,
                 ColumnStats& stats) {
  switch (type) {
    case ::parquet::Type::BOOLEAN:
      return SetBounds<::parquet::BooleanType>(chunks, length, stats);
    case ::parquet::Type::INT32:
      return SetBounds<::parquet::Int32Type>(chunks, length, stats);
    case ::parquet::Type::INT64:
      return SetBounds<::parquet::Int64Type>(chunks, length, stats);
    case ::parquet::Type::FLOAT:
      return SetBounds<::parquet::FloatType>(chunks, length, stats);
    case ::parquet::Type::DOUBLE:
      return SetBounds<::parquet::DoubleType>(chunks, length, stats);
    case ::parquet::Type::BYTE_ARRAY:
      return SetBounds<::parquet::ByteArrayType>(chunks, length, stats);
    case ::parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return SetBounds<::parquet::FLBAType>(chunks, length, stats);
    default:
      return;
  }
}

}  // namespace

ColumnStats StatsOfColumn(const ::parquet::FileMetaData& metadata, const event::Field& field,
                          int index) {
  ColumnStats stats{.field_id = field.id};
  ChunkStatistics chunks;
  bool known = true;
  // Statistics borrow from their chunk's metadata.
  std::vector<std::unique_ptr<::parquet::ColumnChunkMetaData>> held;
  for (int group = 0; group < metadata.num_row_groups(); ++group) {
    held.push_back(metadata.RowGroup(group)->ColumnChunk(index));
    const auto& chunk = *held.back();
    stats.size_bytes += static_cast<uint64_t>(chunk.total_compressed_size());
    stats.value_count += chunk.num_values();
    auto statistics = chunk.statistics();
    if (statistics != nullptr && statistics->HasMinMax()) {
      chunks.push_back(std::move(statistics));
    } else {
      const bool all_null = statistics != nullptr && statistics->HasNullCount() &&
                            statistics->null_count() == chunk.num_values();
      known &= all_null;
    }
  }
  const auto* column = metadata.schema()->Column(index);
  if (known && !chunks.empty()) {
    SetBoundsOf(column->physical_type(), chunks, column->type_length(), stats);
  }
  return stats;
}

std::vector<int64_t> SplitOffsets(const ::parquet::FileMetaData& metadata) {
  std::vector<int64_t> offsets;
  for (int group = 0; group < metadata.num_row_groups(); ++group) {
    const auto chunk = metadata.RowGroup(group)->ColumnChunk(0);
    const int64_t pages = chunk->data_page_offset();
    offsets.push_back(
        chunk->has_dictionary_page() ? std::min(pages, chunk->dictionary_page_offset()) : pages);
  }
  return offsets;
}

}  // namespace tarn::parquet
