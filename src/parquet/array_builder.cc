#include <arrow/extension/uuid.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/text.h"
#include "parquet/array_builder_internal.h"

namespace tarn::parquet {
namespace {

using event::TypeKind;

constexpr int kUuidBytes = 16;

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

std::shared_ptr<arrow::Buffer> Borrow(const void* data, size_t size) {
  return std::make_shared<arrow::Buffer>(static_cast<const uint8_t*>(data),
                                         static_cast<int64_t>(size));
}

template <typename T>
std::shared_ptr<arrow::Buffer> Own(std::vector<T> values) {
  return arrow::Buffer::FromVector(std::move(values));
}

// Which rows of a slice hold a value.
class Validity {
 public:
  Validity(const event::Column& column, size_t begin, size_t end)
      : valid_(column.valid().data() + begin), size_(end - begin) {
    for (size_t i = 0; i < size_; ++i) nulls_ += valid_[i] == 0;
  }

  bool operator[](size_t row) const { return valid_[row] != 0; }
  size_t size() const { return size_; }
  int64_t nulls() const { return nulls_; }

  // nullptr where every row has a value.
  std::shared_ptr<arrow::Buffer> Bitmap() const {
    return nulls_ == 0 ? nullptr : Pack([&](size_t row) { return valid_[row] != 0; });
  }

  template <typename Predicate>
  std::shared_ptr<arrow::Buffer> Pack(Predicate&& set) const {
    std::vector<uint8_t> bits((size_ + 7) / 8);
    for (size_t row = 0; row < size_; ++row) {
      if (set(row)) bits[row / 8] = static_cast<uint8_t>(bits[row / 8] | (1U << (row % 8)));
    }
    return Own(std::move(bits));
  }

 private:
  const uint8_t* valid_;
  size_t size_;
  int64_t nulls_ = 0;
};

BuiltArray Assemble(const std::shared_ptr<arrow::DataType>& type, const Validity& validity,
                    std::vector<std::shared_ptr<arrow::Buffer>> values) {
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {validity.Bitmap()};
  buffers.insert(buffers.end(), values.begin(), values.end());
  const auto rows = static_cast<int64_t>(validity.size());
  return {
      arrow::MakeArray(arrow::ArrayData::Make(type, rows, std::move(buffers), validity.nulls())),
      validity.nulls()};
}

Result<BuiltArray> Narrowed(const event::Column& column, const event::Field& field, size_t begin,
                            const Validity& validity) {
  std::vector<int32_t> values(validity.size());
  int64_t outside = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t value = column.ints()[begin + i];
    values[i] = static_cast<int32_t>(value);
    outside += values[i] != value;
  }
  if (outside > 0) {
    return InvalidArgument(fmt::format("column '{}': {} values do not fit {}", field.name, outside,
                                       field.type.kind == TypeKind::kDate ? "a date" : "32 bits"));
  }
  return Assemble(ArrowType(field.type), validity, {Own(std::move(values))});
}

// Doubles and floats: NaN and infinities become null, -0.0 becomes 0.0. Borrowed if there are none.
template <typename T>
BuiltArray Floating(const event::Column& column, const event::Field& field, size_t begin,
                    const Validity& validity) {
  const double* source = column.doubles().data() + begin;
  const size_t rows = validity.size();
  bool clean = true;
  for (size_t i = 0; i < rows; ++i) {
    const T value = static_cast<T>(source[i]);
    clean &= std::isfinite(value) && !(value == 0 && std::signbit(value));
  }
  if constexpr (std::is_same_v<T, double>) {
    if (clean) return Assemble(ArrowType(field.type), validity, {Borrow(source, rows * 8)});
  }
  std::vector<T> values(rows);
  int64_t not_finite = 0;
  for (size_t i = 0; i < rows; ++i) {
    values[i] = static_cast<T>(source[i]) + T{0};  // -0.0 + 0.0 = 0.0
    not_finite += validity[i] && !std::isfinite(values[i]);
  }
  if (not_finite == 0) return Assemble(ArrowType(field.type), validity, {Own(std::move(values))});
  const auto bitmap =
      validity.Pack([&](size_t row) { return validity[row] && std::isfinite(values[row]); });
  const int64_t nulls = validity.nulls() + not_finite;
  auto data = arrow::ArrayData::Make(ArrowType(field.type), static_cast<int64_t>(rows),
                                     {bitmap, Own(std::move(values))}, nulls);
  return {arrow::MakeArray(std::move(data)), nulls, not_finite};
}

BuiltArray Variable(const event::Column& column, const event::Field& field, size_t begin,
                    const Validity& validity) {
  const int64_t* offsets = column.offsets().data() + begin;
  const int64_t base = offsets[0];
  std::vector<int32_t> narrow(validity.size() + 1);
  for (size_t i = 0; i < narrow.size(); ++i) narrow[i] = static_cast<int32_t>(offsets[i] - base);
  const auto size = static_cast<size_t>(narrow.back());
  return Assemble(ArrowType(field.type), validity,
                  {Own(std::move(narrow)), Borrow(column.bytes().data() + base, size)});
}

// Whether the values of the rows are UTF-8. They lie end to end: each is if all are and none begins
// inside a character.
bool IsText(const event::Column& column, size_t begin, size_t end) {
  const std::vector<int64_t>& offsets = column.offsets();
  const auto first = static_cast<size_t>(offsets[begin]);
  const std::string_view all =
      std::string_view(column.bytes()).substr(first, static_cast<size_t>(offsets[end]) - first);
  if (IsAscii(all)) return true;
  if (!IsValidUtf8(all)) return false;
  for (size_t row = begin; row < end; ++row) {
    const size_t at = static_cast<size_t>(offsets[row]) - first;
    if (at < all.size() && ContinuesCharacter(all[at])) return false;
  }
  return true;
}

Result<BuiltArray> Text(const event::Column& column, const event::Field& field, size_t begin,
                        const Validity& validity) {
  if (!IsText(column, begin, begin + validity.size())) {
    return InvalidArgument(fmt::format("column '{}': a value is no UTF-8", field.name));
  }
  return Variable(column, field, begin, validity);
}

Result<BuiltArray> FixedWidth(const event::Column& column, const event::Field& field, size_t begin,
                              const Validity& validity) {
  const bool uuid = field.type.kind == TypeKind::kUuid;
  const auto width = static_cast<size_t>(uuid ? kUuidBytes : field.type.length);
  std::string values(validity.size() * width, '\0');
  for (size_t i = 0; i < validity.size(); ++i) {
    if (!validity[i]) continue;
    const std::string_view value = column.BytesAt(begin + i);
    if (value.size() != width) {
      return InvalidArgument(
          fmt::format("column '{}': a value of {} bytes, not {}", field.name, value.size(), width));
    }
    value.copy(values.data() + i * width, width);
  }
  BuiltArray built = Assemble(arrow::fixed_size_binary(static_cast<int32_t>(width)), validity,
                              {arrow::Buffer::FromString(std::move(values))});
  if (uuid) built.array = arrow::ExtensionType::WrapArray(ArrowType(field.type), built.array);
  return built;
}

Result<BuiltArray> Build(const event::Column& column, const event::Field& field, size_t begin,
                         const Validity& validity) {
  switch (field.type.kind) {
    case TypeKind::kBoolean:
      return Assemble(arrow::boolean(), validity,
                      {validity.Pack([&](size_t row) { return column.ints()[begin + row] != 0; })});
    case TypeKind::kInt:
    case TypeKind::kDate:
      return Narrowed(column, field, begin, validity);
    case TypeKind::kFloat:
      return Floating<float>(column, field, begin, validity);
    case TypeKind::kDouble:
      return Floating<double>(column, field, begin, validity);
    case TypeKind::kString:
      return Text(column, field, begin, validity);
    case TypeKind::kBinary:
      return Variable(column, field, begin, validity);
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return FixedWidth(column, field, begin, validity);
    default:
      return Assemble(ArrowType(field.type), validity,
                      {Borrow(column.ints().data() + begin, validity.size() * 8)});
  }
}

}  // namespace

Result<std::shared_ptr<arrow::Field>> ArrowField(const event::Field& field) {
  auto type = ArrowType(field.type);
  if (type == nullptr) {
    return Unsupported(fmt::format("column '{}': {} columns are not written here", field.name,
                                   event::TypeName(field.type)));
  }
  auto metadata = arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(field.id)});
  return arrow::field(field.name, std::move(type), !field.required, std::move(metadata));
}

Result<BuiltArray> BuildArray(const event::Column& column, const event::Field& field, size_t begin,
                              size_t end) {
  const Validity validity(column, begin, end);
  TARN_ASSIGN_OR_RETURN(BuiltArray built, Build(column, field, begin, validity));
  if (field.required && built.nulls > 0) {
    return InvalidArgument(fmt::format("column '{}' is required, but {} rows have no value{}",
                                       field.name, built.nulls,
                                       built.nan_nulled > 0 ? " (NaN and infinities count)" : ""));
  }
  return built;
}

}  // namespace tarn::parquet
