#include "iceberg/value.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/id.h"
#include "base/text.h"
#include "base/time.h"

namespace tarn::iceberg {
namespace {

using event::Type;
using event::TypeKind;

constexpr size_t kBoundCodePoints = 16;
constexpr int64_t kLastDay = std::numeric_limits<int64_t>::max() / kMicrosPerDay;

bool FitsInt32(int64_t value) {
  return value >= std::numeric_limits<int32_t>::min() &&
         value <= std::numeric_limits<int32_t>::max();
}

Int128 PowerOfTen(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

bool TextFits(const Type& type, const std::string& text) {
  switch (type.kind) {
    case TypeKind::kString:
      return IsValidUtf8(text);
    case TypeKind::kUuid:
      return text.size() == 16;
    case TypeKind::kFixed:
      return text.size() == static_cast<size_t>(type.length);
    default:
      return type.kind == TypeKind::kBinary;
  }
}

std::string UnscaledText(Int128 unscaled, int scale) {
  const bool negative = unscaled < 0;
  std::string digits;
  do {
    const auto digit = static_cast<int>(unscaled % 10);
    digits.insert(digits.begin(), static_cast<char>('0' + (digit < 0 ? -digit : digit)));
    unscaled /= 10;
  } while (unscaled != 0);
  const auto places = static_cast<size_t>(scale);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  if (places > 0) digits.insert(digits.size() - places, 1, '.');
  return negative ? "-" + digits : digits;
}

Result<Value> DecodeDecimal(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 16) {
    return InvalidArgument(fmt::format("a decimal of {} bytes", bytes.size()));
  }
  const bool negative = (static_cast<uint8_t>(bytes[0]) & 0x80) != 0;
  __extension__ typedef unsigned __int128 Uint128;
  Uint128 bits = negative ? ~Uint128{0} : Uint128{0};
  for (const char c : bytes) bits = (bits << 8) | static_cast<uint8_t>(c);
  return Value(Decimal{static_cast<Int128>(bits)});
}

template <typename T>
Result<Value> DecodeNumber(std::string_view bytes) {
  const T number = GetFixed<T>(bytes.data());
  if constexpr (std::is_floating_point_v<T>) {
    return Value(double{number});
  } else {
    return Value(int64_t{number});
  }
}

// The code point at the end of well-formed text, and where it starts.
std::pair<uint32_t, size_t> LastCodePoint(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && ContinuesCharacter(text[at])) --at;
  const auto first = static_cast<uint8_t>(text[at]);
  uint32_t point = first < 0x80   ? first
                   : first < 0xe0 ? first & 0x1fu
                   : first < 0xf0 ? first & 0x0fu
                                  : first & 0x07u;
  for (size_t i = at + 1; i < text.size(); ++i) {
    point = (point << 6) | (static_cast<uint8_t>(text[i]) & 0x3fu);
  }
  return {point, at};
}

void AppendCodePoint(std::string& out, uint32_t point) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | (point >> 6));
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3f));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

// The least text of that form that is above every text starting with `text`.
std::optional<std::string> IncrementText(std::string text) {
  while (!text.empty()) {
    const auto [point, at] = LastCodePoint(text);
    text.resize(at);
    if (point == 0x10ffff) continue;
    AppendCodePoint(text, point == 0xd7ff ? 0xe000 : point + 1);
    return text;
  }
  return std::nullopt;
}

std::optional<std::string> IncrementBytes(std::string bytes) {
  while (!bytes.empty()) {
    const auto last = static_cast<uint8_t>(bytes.back());
    bytes.pop_back();
    if (last == 0xff) continue;
    bytes.push_back(static_cast<char>(last + 1));
    return bytes;
  }
  return std::nullopt;
}

// nullopt for NaN and wrong sizes; zero gets the sign asked for.
template <typename T>
std::optional<std::string> FloatBound(std::string bytes, T zero) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  const T number = GetFixed<T>(bytes.data());
  if (std::isnan(number)) return std::nullopt;
  if (number != 0) return bytes;
  std::string out;
  PutFixed(out, zero);
  return out;
}

}  // namespace

bool ValueFits(const Type& type, const Value& value) {
  if (IsNull(value)) return true;
  const auto* integer = std::get_if<int64_t>(&value);
  switch (type.kind) {
    case TypeKind::kBoolean:
      return std::holds_alternative<bool>(value);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return integer != nullptr && FitsInt32(*integer);
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestamptz:
      return integer != nullptr;
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return std::holds_alternative<double>(value);
    case TypeKind::kDecimal: {
      const auto* decimal = std::get_if<Decimal>(&value);
      if (decimal == nullptr) return false;
      const Int128 limit = PowerOfTen(type.precision);
      return decimal->unscaled < limit && decimal->unscaled > -limit;
    }
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary: {
      const auto* text = std::get_if<std::string>(&value);
      return text != nullptr && TextFits(type, *text);
    }
    default:
      return false;
  }
}

std::partial_ordering CompareValues(const Value& left, const Value& right) {
  if (left.index() != right.index()) return std::partial_ordering::unordered;
  if (const auto* text = std::get_if<std::string>(&left)) {
    const int order = text->compare(std::get<std::string>(right));  // char_traits compares unsigned
    return order <=> 0;
  }
  if (const auto* number = std::get_if<double>(&left)) return *number <=> std::get<double>(right);
  if (const auto* integer = std::get_if<int64_t>(&left)) {
    return *integer <=> std::get<int64_t>(right);
  }
  if (const auto* flag = std::get_if<bool>(&left)) return *flag <=> std::get<bool>(right);
  if (const auto* decimal = std::get_if<Decimal>(&left)) {
    const Int128 other = std::get<Decimal>(right).unscaled;
    if (decimal->unscaled < other) return std::partial_ordering::less;
    return decimal->unscaled == other ? std::partial_ordering::equivalent
                                      : std::partial_ordering::greater;
  }
  return std::partial_ordering::equivalent;
}

std::string DecimalBytes(Int128 unscaled) {
  std::string bytes;
  for (int shift = 120; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<uint8_t>((unscaled >> shift) & 0xff)));
  }
  const char fill = unscaled < 0 ? '\xff' : '\0';
  size_t drop = 0;
  while (drop < 15 && bytes[drop] == fill && ((bytes[drop + 1] ^ fill) & 0x80) == 0) ++drop;
  return bytes.substr(drop);
}

Result<std::string> EncodeValue(const Type& type, const Value& value) {
  if (IsNull(value) || !ValueFits(type, value)) {
    return InvalidArgument("the value does not fit type " + event::TypeName(type));
  }
  std::string out;
  switch (type.kind) {
    case TypeKind::kBoolean:
      out.push_back(std::get<bool>(value) ? '\1' : '\0');
      break;
    case TypeKind::kInt:
    case TypeKind::kDate:
      PutFixed(out, static_cast<int32_t>(std::get<int64_t>(value)));
      break;
    case TypeKind::kFloat:
      PutFixed(out, static_cast<float>(std::get<double>(value)));
      break;
    case TypeKind::kDouble:
      PutFixed(out, std::get<double>(value));
      break;
    case TypeKind::kDecimal:
      return DecimalBytes(std::get<Decimal>(value).unscaled);
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return std::get<std::string>(value);
    default:
      PutFixed(out, std::get<int64_t>(value));
  }
  return out;
}

Result<Value> DecodeValue(const Type& type, std::string_view bytes) {
  const size_t size = bytes.size();
  const auto wrong = [&] {
    return InvalidArgument(
        fmt::format("{} bytes are no value of type {}", size, event::TypeName(type)));
  };
  switch (type.kind) {
    case TypeKind::kBoolean:
      if (size != 1) return wrong();
      return Value(bytes[0] != '\0');
    case TypeKind::kInt:
    case TypeKind::kDate:
      if (size != 4) return wrong();
      return DecodeNumber<int32_t>(bytes);
    case TypeKind::kLong:
      if (size == 4) return DecodeNumber<int32_t>(bytes);
      [[fallthrough]];
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestamptz:
      if (size != 8) return wrong();
      return DecodeNumber<int64_t>(bytes);
    case TypeKind::kFloat:
      if (size != 4) return wrong();
      return DecodeNumber<float>(bytes);
    case TypeKind::kDouble:
      if (size == 4) return DecodeNumber<float>(bytes);
      if (size != 8) return wrong();
      return DecodeNumber<double>(bytes);
    case TypeKind::kDecimal:
      return DecodeDecimal(bytes);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return Value(std::string(bytes));
    case TypeKind::kUuid:
      if (size != 16) return wrong();
      return Value(std::string(bytes));
    case TypeKind::kFixed:
      if (size != static_cast<size_t>(type.length)) return wrong();
      return Value(std::string(bytes));
    default:
      return wrong();
  }
}

std::string_view FirstCodePoints(std::string_view text, size_t count) {
  size_t at = 0;
  while (at < text.size()) {
    const bool starts = (static_cast<uint8_t>(text[at]) & 0xc0) != 0x80;
    if (starts && count-- == 0) break;
    ++at;
  }
  return text.substr(0, at);
}

std::optional<std::string> TruncateLower(const Type& type, std::string bytes) {
  if (type.nested()) return std::nullopt;
  switch (type.kind) {
    case TypeKind::kString:
      if (!IsValidUtf8(bytes)) return std::nullopt;
      return std::string(FirstCodePoints(bytes, kBoundCodePoints));
    case TypeKind::kBinary:
      return bytes.substr(0, kBoundCodePoints);
    case TypeKind::kFloat:
      return FloatBound(std::move(bytes), -0.0F);
    case TypeKind::kDouble:
      return FloatBound(std::move(bytes), -0.0);
    default:
      return bytes;
  }
}

std::optional<std::string> TruncateUpper(const Type& type, std::string bytes) {
  if (type.nested()) return std::nullopt;
  switch (type.kind) {
    case TypeKind::kString: {
      if (!IsValidUtf8(bytes)) return std::nullopt;
      const std::string_view cut = FirstCodePoints(bytes, kBoundCodePoints);
      if (cut.size() == bytes.size()) return bytes;
      return IncrementText(std::string(cut));
    }
    case TypeKind::kBinary:
      if (bytes.size() <= kBoundCodePoints) return bytes;
      return IncrementBytes(bytes.substr(0, kBoundCodePoints));
    case TypeKind::kFloat:
      return FloatBound(std::move(bytes), 0.0F);
    case TypeKind::kDouble:
      return FloatBound(std::move(bytes), 0.0);
    default:
      return bytes;
  }
}

std::optional<std::string> LowerBound(const Type& type, const Value& value) {
  auto bytes = EncodeValue(type, value);
  if (!bytes.ok()) return std::nullopt;
  return TruncateLower(type, std::move(*bytes));
}

std::optional<std::string> UpperBound(const Type& type, const Value& value) {
  auto bytes = EncodeValue(type, value);
  if (!bytes.ok()) return std::nullopt;
  return TruncateUpper(type, std::move(*bytes));
}

std::string ValueText(const Type& type, const Value& value) {
  if (IsNull(value)) return "null";
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* decimal = std::get_if<Decimal>(&value)) {
    return UnscaledText(decimal->unscaled, type.scale);
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    switch (type.kind) {
      case TypeKind::kDate:
        if (*integer > kLastDay || *integer < -kLastDay) return fmt::format("{}", *integer);
        return FormatTimestamp({*integer * kMicrosPerDay}).substr(0, 10);
      case TypeKind::kTimestamp:
      case TypeKind::kTimestamptz:
        return FormatTimestamp({*integer});
      default:
        return fmt::format("{}", *integer);
    }
  }
  const auto& text = std::get<std::string>(value);
  if (type.kind == TypeKind::kString) return text;
  if (type.kind == TypeKind::kUuid && text.size() == 16) {
    Uuid uuid;
    std::copy(text.begin(), text.end(), uuid.bytes.begin());
    return FormatUuid(uuid);
  }
  return ToHex(text);
}

}  // namespace tarn::iceberg
