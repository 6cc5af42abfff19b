#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/check.h"
#include "base/time.h"
#include "codec/json.h"
#include "sql/result.h"
#include "sql/value_type_internal.h"

namespace tarn::sql {
namespace {

using Int128 = Cell::Int128;
__extension__ typedef unsigned __int128 Uint128;

template <typename T>
T Load(const void* data, uint64_t row) {
  return GetFixed<T>(static_cast<const char*>(data) + row * sizeof(T));
}

Int128 LoadHuge(const void* data, uint64_t row) {
  const auto value = Load<duckdb_hugeint>(data, row);
  return static_cast<Int128>((static_cast<Uint128>(static_cast<uint64_t>(value.upper)) << 64) |
                             value.lower);
}

std::string Digits(Uint128 value) {
  std::string reversed;
  do {
    reversed.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  return {reversed.rbegin(), reversed.rend()};
}

Uint128 Magnitude(Int128 value) {
  return value < 0 ? ~static_cast<Uint128>(value) + 1 : static_cast<Uint128>(value);
}

void AppendDecimal(std::string& out, Int128 value, int scale) {
  std::string digits = Digits(Magnitude(value));
  const auto fraction = static_cast<size_t>(scale);
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  if (value < 0) out.push_back('-');
  out.append(digits, 0, digits.size() - fraction);
  if (fraction > 0) out.append(".").append(digits, digits.size() - fraction);
}

void AppendDouble(std::string& out, double value, bool single) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  const std::string text =
      single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
  out += text;
  if (text.find_first_of(".en") == std::string::npos) out += ".0";
}

// ".5", ".000001" or nothing.
void AppendFraction(std::string& out, int64_t fraction, int digits) {
  if (fraction == 0) return;
  std::string text = fmt::format("{:0{}}", fraction, digits);
  text.erase(text.find_last_not_of('0') + 1);
  out.append(".").append(text);
}

void AppendClock(std::string& out, int64_t micros) {
  const int64_t seconds = micros / kMicrosPerSecond;
  out += fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  AppendFraction(out, micros % kMicrosPerSecond, 6);
}

// The year as people count it: there is none of number 0.
void AppendDay(std::string& out, const Civil& civil) {
  const int year = civil.year > 0 ? civil.year : 1 - civil.year;
  out += fmt::format("{:04}-{:02}-{:02}", year, civil.month, civil.day);
}

void AppendEra(std::string& out, const Civil& civil) {
  if (civil.year <= 0) out += " (BC)";
}

void AppendDate(std::string& out, int64_t days) {
  if (days >= std::numeric_limits<int32_t>::max()) {
    out += "infinity";
  } else if (days <= -std::numeric_limits<int32_t>::max()) {
    out += "-infinity";
  } else {
    const Civil civil = CivilFromTimestamp({days * kMicrosPerDay});
    AppendDay(out, civil);
    AppendEra(out, civil);
  }
}

// `nanos` are those below a microsecond.
void AppendTimestamp(std::string& out, int64_t micros, char separator, int64_t nanos = 0) {
  const Civil civil = CivilFromTimestamp({micros});
  AppendDay(out, civil);
  out.push_back(separator);
  out += fmt::format("{:02}:{:02}:{:02}", civil.hour, civil.minute, civil.second);
  AppendFraction(out, civil.micros * int64_t{1000} + nanos, 9);
  AppendEra(out, civil);
}

bool AppendInfinity(std::string& out, int64_t value) {
  if (value == std::numeric_limits<int64_t>::max()) {
    out += "infinity";
  } else if (value == -std::numeric_limits<int64_t>::max()) {
    out += "-infinity";
  } else {
    return false;
  }
  return true;
}

void AppendAnyTimestamp(std::string& out, const Cell& cell, char separator) {
  const int64_t value = cell.Int();
  if (AppendInfinity(out, value)) return;
  if (cell.kind() == ValueKind::kTimestampNs) {
    const int64_t micros = FloorDiv(value, 1000);
    AppendTimestamp(out, micros, separator, value - micros * 1000);
  } else {
    AppendTimestamp(out, value, separator);
  }
}

void AppendTimeTz(std::string& out, const VectorView& vector, uint64_t row) {
  const auto time = duckdb_from_time_tz(Load<duckdb_time_tz>(vector.data, row));
  out += fmt::format("{:02}:{:02}:{:02}", time.time.hour, time.time.min, time.time.sec);
  AppendFraction(out, time.time.micros, 6);
  const int offset = std::abs(time.offset);
  out += fmt::format("{}{:02}", time.offset < 0 ? '-' : '+', offset / 3600);
  if (offset % 3600 != 0) out += fmt::format(":{:02}", offset / 60 % 60);
  if (offset % 60 != 0) out += fmt::format(":{:02}", offset % 60);
}

void AppendInterval(std::string& out, const VectorView& vector, uint64_t row) {
  const auto interval = Load<duckdb_interval>(vector.data, row);
  const size_t begin = out.size();
  const auto part = [&](int64_t count, std::string_view unit) {
    if (count == 0) return;
    if (out.size() > begin) out.push_back(' ');
    out += fmt::format("{} {}{}", count, unit, std::abs(count) == 1 ? "" : "s");
  };
  part(interval.months / 12, "year");
  part(interval.months % 12, "month");
  part(interval.days, "day");
  if (interval.micros == 0 && out.size() > begin) return;
  if (out.size() > begin) out.push_back(' ');
  if (interval.micros < 0) out.push_back('-');
  AppendClock(out, static_cast<int64_t>(Magnitude(interval.micros)));
}

void AppendUuid(std::string& out, const VectorView& vector, uint64_t row) {
  const auto value = Load<duckdb_hugeint>(vector.data, row);
  const uint64_t upper = static_cast<uint64_t>(value.upper) ^ (uint64_t{1} << 63);
  out += fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", upper >> 32, upper >> 16 & 0xffff,
                     upper & 0xffff, value.lower >> 48, value.lower & 0xffff'ffff'ffff);
}

// The first byte says how many bits of the second are padding.
void AppendBits(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  auto padding = static_cast<size_t>(static_cast<uint8_t>(bytes[0]));
  for (size_t i = 1; i < bytes.size(); ++i) {
    for (size_t bit = i == 1 ? padding : 0; bit < 8; ++bit) {
      out.push_back((static_cast<uint8_t>(bytes[i]) >> (7 - bit) & 1) != 0 ? '1' : '0');
    }
  }
}

void AppendBlob(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '\'' && c != '"';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("\\x{:02X}", static_cast<uint8_t>(c));
    }
  }
}

void AppendBase64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
    }
  }
}

// Scalars of every kind but the nested ones, strings and numbers.
void AppendOther(std::string& out, const Cell& cell, const VectorView& vector, uint64_t row) {
  switch (cell.kind()) {
    case ValueKind::kBit:
      return AppendBits(out, cell.Bytes());
    case ValueKind::kDate:
      return AppendDate(out, cell.Int());
    case ValueKind::kTime:
      return AppendClock(out, cell.Int());
    case ValueKind::kTimeTz:
      return AppendTimeTz(out, vector, row);
    case ValueKind::kInterval:
      return AppendInterval(out, vector, row);
    case ValueKind::kUuid:
      return AppendUuid(out, vector, row);
    case ValueKind::kBlob:
      return AppendBlob(out, cell.Bytes());
    default:
      out += cell.Bytes();
  }
}

void AppendInner(std::string& out, const Cell& cell) {
  if (cell.is_null()) {
    out += "NULL";
  } else if (cell.kind() == ValueKind::kString || cell.kind() == ValueKind::kEnum) {
    out.push_back('\'');
    for (const char c : cell.Bytes()) {
      if (c == '\'') out.push_back(c);
      out.push_back(c);
    }
    out.push_back('\'');
  } else {
    cell.AppendText(out);
  }
}

void AppendNested(std::string& out, const Cell& cell) {
  if (cell.kind() == ValueKind::kUnion) return AppendInner(out, cell.At(0));
  const bool list = cell.kind() == ValueKind::kList;
  out.push_back(list ? '[' : '{');
  for (size_t i = 0; i < cell.size(); ++i) {
    if (i > 0) out += ", ";
    if (cell.kind() == ValueKind::kStruct) {
      out.append("'").append(cell.FieldName(i)).append("': ");
    } else if (cell.kind() == ValueKind::kMap) {
      AppendInner(out, cell.KeyAt(i));
      out.push_back('=');
    }
    AppendInner(out, cell.At(i));
  }
  out.push_back(list ? ']' : '}');
}

void AppendJsonMap(std::string& out, const Cell& cell) {
  const bool object = cell.size() == 0 || cell.KeyAt(0).kind() == ValueKind::kString;
  out.push_back(object ? '{' : '[');
  for (size_t i = 0; i < cell.size(); ++i) {
    if (i > 0) out.push_back(',');
    if (!object) out += "{\"key\":";
    cell.KeyAt(i).AppendJson(out);
    out += object ? ":" : ",\"value\":";
    cell.At(i).AppendJson(out);
    if (!object) out.push_back('}');
  }
  out.push_back(object ? '}' : ']');
}

void AppendJsonNested(std::string& out, const Cell& cell) {
  if (cell.kind() == ValueKind::kUnion) return cell.At(0).AppendJson(out);
  if (cell.kind() == ValueKind::kMap) return AppendJsonMap(out, cell);
  const bool list = cell.kind() == ValueKind::kList;
  out.push_back(list ? '[' : '{');
  for (size_t i = 0; i < cell.size(); ++i) {
    if (i > 0) out.push_back(',');
    if (!list) {
      codec::AppendJsonString(out, cell.FieldName(i));
      out.push_back(':');
    }
    cell.At(i).AppendJson(out);
  }
  out.push_back(list ? ']' : '}');
}

bool IsNested(ValueKind kind) { return kind >= ValueKind::kList; }

}  // namespace

ValueKind Cell::kind() const { return vector_->type->kind; }

bool Cell::is_null() const { return kind() == ValueKind::kNull || vector_->IsNull(row_); }

bool Cell::Bool() const { return Load<uint8_t>(vector_->data, row_) != 0; }

int64_t Cell::Int() const {
  const void* data = vector_->data;
  const auto scaled = [&](int64_t factor) {
    const auto value = Load<int64_t>(data, row_);
    const bool infinite = value == std::numeric_limits<int64_t>::max() ||
                          value == -std::numeric_limits<int64_t>::max();
    return infinite ? value : value * factor;
  };
  switch (vector_->type->id) {
    case DUCKDB_TYPE_TINYINT:
      return Load<int8_t>(data, row_);
    case DUCKDB_TYPE_SMALLINT:
      return Load<int16_t>(data, row_);
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return Load<int32_t>(data, row_);
    case DUCKDB_TYPE_UTINYINT:
      return Load<uint8_t>(data, row_);
    case DUCKDB_TYPE_USMALLINT:
      return Load<uint16_t>(data, row_);
    case DUCKDB_TYPE_UINTEGER:
      return Load<uint32_t>(data, row_);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return scaled(kMicrosPerSecond);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return scaled(1000);
    case DUCKDB_TYPE_TIME_TZ: {
      const auto time = duckdb_from_time_tz(Load<duckdb_time_tz>(data, row_)).time;
      return ((time.hour * int64_t{60} + time.min) * 60 + time.sec) * kMicrosPerSecond +
             time.micros;
    }
    default:
      return Load<int64_t>(data, row_);
  }
}

Cell::Int128 Cell::Huge() const {
  const ValueType& type = *vector_->type;
  switch (type.id == DUCKDB_TYPE_DECIMAL ? type.storage : type.id) {
    case DUCKDB_TYPE_SMALLINT:
      return Load<int16_t>(vector_->data, row_);
    case DUCKDB_TYPE_INTEGER:
      return Load<int32_t>(vector_->data, row_);
    case DUCKDB_TYPE_BIGINT:
      return Load<int64_t>(vector_->data, row_);
    case DUCKDB_TYPE_UBIGINT:
      return Load<uint64_t>(vector_->data, row_);
    default:
      return LoadHuge(vector_->data, row_);
  }
}

double Cell::Double() const {
  return kind() == ValueKind::kFloat ? static_cast<double>(Load<float>(vector_->data, row_))
                                     : Load<double>(vector_->data, row_);
}

std::string_view Cell::Bytes() const {
  const ValueType& type = *vector_->type;
  if (type.kind == ValueKind::kEnum) {
    const uint64_t word = type.storage == DUCKDB_TYPE_UTINYINT ? Load<uint8_t>(vector_->data, row_)
                          : type.storage == DUCKDB_TYPE_USMALLINT
                              ? Load<uint16_t>(vector_->data, row_)
                              : Load<uint32_t>(vector_->data, row_);
    return type.names.at(word);
  }
  const auto* strings = static_cast<const duckdb_string_t*>(vector_->data);
  const duckdb_string_t& text = strings[row_];
  const uint32_t length = text.value.inlined.length;
  return length <= sizeof(text.value.inlined.inlined)
             ? std::string_view(text.value.inlined.inlined, length)
             : std::string_view(text.value.pointer.ptr, length);
}

size_t Cell::size() const {
  const ValueType& type = *vector_->type;
  if (type.kind == ValueKind::kStruct) return type.children.size();
  if (type.kind == ValueKind::kUnion) return 1;
  if (type.id == DUCKDB_TYPE_ARRAY) return type.array_size;
  return Load<duckdb_list_entry>(vector_->data, row_).length;
}

Cell Cell::At(size_t index) const {
  const ValueType& type = *vector_->type;
  TARN_CHECK(index < size());
  if (type.kind == ValueKind::kStruct) return {&vector_->children[index], row_};
  if (type.kind == ValueKind::kUnion) return {&vector_->children[vector_->tags[row_]], row_};
  if (type.id == DUCKDB_TYPE_ARRAY) {
    return {&vector_->children[0], row_ * type.array_size + index};
  }
  const uint64_t offset = Load<duckdb_list_entry>(vector_->data, row_).offset;
  return {&vector_->children[type.kind == ValueKind::kMap ? 1 : 0], offset + index};
}

Cell Cell::KeyAt(size_t index) const {
  TARN_CHECK(kind() == ValueKind::kMap && index < size());
  const uint64_t offset = Load<duckdb_list_entry>(vector_->data, row_).offset;
  return {vector_->children.data(), offset + index};
}

std::string_view Cell::FieldName(size_t index) const { return vector_->type->names[index]; }

void Cell::AppendText(std::string& out) const {
  if (is_null()) return;
  switch (kind()) {
    case ValueKind::kBoolean:
      out += Bool() ? "true" : "false";
      return;
    case ValueKind::kInteger:
      out += fmt::format_int(Int()).c_str();
      return;
    case ValueKind::kHugeInteger:
      return AppendDecimal(out, Huge(), 0);
    case ValueKind::kUnsignedHuge:
      out += Digits(static_cast<Uint128>(Huge()));
      return;
    case ValueKind::kDecimal:
      return AppendDecimal(out, Huge(), vector_->type->scale);
    case ValueKind::kFloat:
    case ValueKind::kDouble:
      return AppendDouble(out, Double(), kind() == ValueKind::kFloat);
    case ValueKind::kTimestamp:
    case ValueKind::kTimestampNs:
      return AppendAnyTimestamp(out, *this, ' ');
    case ValueKind::kTimestampTz: {
      const size_t begin = out.size();
      AppendAnyTimestamp(out, *this, ' ');
      if (out.find("infinity", begin) == std::string::npos) out += "+00";
      return;
    }
    default:
      return IsNested(kind()) ? AppendNested(out, *this) : AppendOther(out, *this, *vector_, row_);
  }
}

void Cell::AppendJson(std::string& out) const {
  if (is_null()) {
    out += "null";
    return;
  }
  switch (kind()) {
    case ValueKind::kBoolean:
    case ValueKind::kInteger:
    case ValueKind::kHugeInteger:
    case ValueKind::kUnsignedHuge:
    case ValueKind::kDecimal:
      return AppendText(out);
    case ValueKind::kFloat:
    case ValueKind::kDouble:
      return std::isfinite(Double()) ? AppendText(out) : static_cast<void>(out += "null");
    case ValueKind::kTimestamp:
    case ValueKind::kTimestampNs:
    case ValueKind::kTimestampTz: {
      std::string text;
      AppendAnyTimestamp(text, *this, 'T');
      const bool zone = kind() == ValueKind::kTimestampTz && !text.ends_with("infinity");
      out.append("\"").append(text).append(zone ? "Z\"" : "\"");
      return;
    }
    case ValueKind::kBlob:
      out.push_back('"');
      AppendBase64(out, Bytes());
      out.push_back('"');
      return;
    default:
      break;
  }
  if (IsNested(kind())) return AppendJsonNested(out, *this);
  std::string text;
  AppendOther(text, *this, *vector_, row_);
  codec::AppendJsonString(out, text);
}

}  // namespace tarn::sql
