#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerHour = 3'600 * kMicrosPerSecond;
inline constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;

// A point in time: UTC microseconds since 1970-01-01, leap seconds ignored (POSIX). The only time
// type inside Tarn.
struct Timestamp {
  int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
};

// Proleptic Gregorian calendar fields of a Timestamp, in UTC.
struct Civil {
  int year = 1970;
  int month = 1;   // 1-12
  int day = 1;     // 1-31
  int hour = 0;    // 0-23
  int minute = 0;  // 0-59
  int second = 0;  // 0-59
  int micros = 0;  // 0-999,999
  auto operator<=>(const Civil&) const = default;
};

// Rounds towards minus infinity, as Iceberg's hour and day transforms need for times before 1970.
// divisor > 0.
constexpr int64_t FloorDiv(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

// Days since 1970-01-01 of a civil date; any year that fits. Algorithm: H. Hinnant,
// "chrono-compatible low-level date algorithms", days_from_civil.
int64_t DaysFromCivil(int64_t year, int month, int day);
Civil CivilFromTimestamp(Timestamp time);
// Fields must be in range; see ValidCivil.
Timestamp TimestampFromCivil(const Civil& civil);
bool ValidCivil(const Civil& civil);

// "2026-11-24T13:09:46.173739Z"; fractional digits are left out when they are all zero.
std::string FormatTimestamp(Timestamp time);
void AppendTimestamp(std::string& out, Timestamp time);  // the same
// ISO 8601 / RFC 3339: date, 'T' or ' ', time, optional fraction (digits past microseconds are
// cut), 'Z' or ±hh[:]mm. A missing offset means UTC; a date alone means midnight.
Result<Timestamp> ParseTimestamp(std::string_view text);

}  // namespace tarn
