#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "event/schema.h"

namespace tarn::iceberg {

__extension__ typedef __int128 Int128;

// The unscaled value of a decimal; the scale is the column's.
struct Decimal {
  Int128 unscaled = 0;
  auto operator<=>(const Decimal&) const = default;
};

// One value of a primitive column; which alternative is right depends on the column's type:
//   null                                                    monostate
//   boolean                                                 bool
//   int, long, date (days), time, timestamp(tz) (micros)    int64_t
//   float, double                                           double
//   decimal                                                 Decimal
//   string (UTF-8), uuid (16 bytes, as printed), fixed, binary   std::string
using Value = std::variant<std::monostate, bool, int64_t, double, Decimal, std::string>;

inline bool IsNull(const Value& value) { return std::holds_alternative<std::monostate>(value); }

// True if `value` is null or the alternative that `type` stands for, and in its range.
bool ValueFits(const event::Type& type, const Value& value);

// Order within one primitive type; both fit it and are not null. -0.0 equals 0.0; NaN is unordered.
// Strings and uuids are compared by bytes (unsigned).
std::partial_ordering CompareValues(const Value& left, const Value& right);

// Iceberg's single-value binary serialisation (spec appendix D), the form of bounds.
// The value must fit the type and not be null (InvalidArgument).
Result<std::string> EncodeValue(const event::Type& type, const Value& value);
// InvalidArgument for bytes of a wrong length. int and float bytes of a column that was widened
// since (4 bytes for a long or double) are read.
Result<Value> DecodeValue(const event::Type& type, std::string_view bytes);

// The bytes of a manifest bound. Strings and binaries are cut to 16 code points (bytes), the upper
// one then incremented. A zero lower bound of a float is -0.0, an upper one +0.0, so that readers
// who tell them apart agree. nullopt where no bound may be written: null, NaN, nested types, values
// that do not fit, and strings that cannot be incremented.
std::optional<std::string> LowerBound(const event::Type& type, const Value& value);
std::optional<std::string> UpperBound(const event::Type& type, const Value& value);

// The same for a bound that is already in binary form (as Parquet statistics are).
std::optional<std::string> TruncateLower(const event::Type& type, std::string bytes);
std::optional<std::string> TruncateUpper(const event::Type& type, std::string bytes);

// Two's complement, big-endian, as few bytes as hold it (at least one).
std::string DecimalBytes(Int128 unscaled);

// The first `count` code points of well-formed UTF-8.
std::string_view FirstCodePoints(std::string_view text, size_t count);

// "2026-10-26", "-12.30", "f79c…": for people and folder names; "null" for null.
std::string ValueText(const event::Type& type, const Value& value);

}  // namespace tarn::iceberg
