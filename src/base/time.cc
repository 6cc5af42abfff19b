#include "base/time.h"

#include <array>
#include <cstdio>
#include <optional>

namespace tarn {
namespace {

constexpr bool IsLeap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int DaysInMonth(int64_t year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeap(year) ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// Reads exactly `count` digits off the front of `text`.
std::optional<int> TakeDigits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// "Z", "+hh:mm", "+hhmm", "+hh" or nothing; the offset in seconds.
std::optional<int> TakeOffset(std::string_view& text) {
  if (text.empty() || TakeChar(text, 'Z') || TakeChar(text, 'z')) return 0;
  const bool negative = text.front() == '-';
  if (!negative && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = TakeDigits(text, 2);
  if (!hours) return std::nullopt;
  int minutes = 0;
  if (TakeChar(text, ':') || !text.empty()) {
    const auto taken = TakeDigits(text, 2);
    if (!taken) return std::nullopt;
    minutes = *taken;
  }
  if (*hours > 23 || minutes > 59) return std::nullopt;
  const int seconds = (*hours * 60 + minutes) * 60;
  return negative ? -seconds : seconds;
}

int TakeFraction(std::string_view& text) {
  int micros = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 6) {
      micros = micros * 10 + (text.front() - '0');
      ++digits;
    }
    text.remove_prefix(1);
  }
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

bool TakeTimeOfDay(std::string_view& text, Civil& civil) {
  const auto hour = TakeDigits(text, 2);
  if (!hour || !TakeChar(text, ':')) return false;
  const auto minute = TakeDigits(text, 2);
  if (!minute) return false;
  civil.hour = *hour;
  civil.minute = *minute;
  if (!TakeChar(text, ':')) return true;
  const auto second = TakeDigits(text, 2);
  if (!second) return false;
  civil.second = *second;
  if (TakeChar(text, '.')) civil.micros = TakeFraction(text);
  return true;
}

}  // namespace

int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = FloorDiv(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

Civil CivilFromTimestamp(Timestamp time) {
  const int64_t days = FloorDiv(time.micros, kMicrosPerDay);
  int64_t rest = time.micros - days * kMicrosPerDay;
  const int64_t shifted = days + 719'468;
  const int64_t era = FloorDiv(shifted, 146'097);
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_index = (5 * day_of_year + 2) / 153;
  Civil civil;
  civil.day = static_cast<int>(day_of_year - (153 * month_index + 2) / 5 + 1);
  civil.month = static_cast<int>(month_index < 10 ? month_index + 3 : month_index - 9);
  civil.year = static_cast<int>(year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0));
  civil.hour = static_cast<int>(rest / kMicrosPerHour);
  rest %= kMicrosPerHour;
  civil.minute = static_cast<int>(rest / (60 * kMicrosPerSecond));
  rest %= 60 * kMicrosPerSecond;
  civil.second = static_cast<int>(rest / kMicrosPerSecond);
  civil.micros = static_cast<int>(rest % kMicrosPerSecond);
  return civil;
}

Timestamp TimestampFromCivil(const Civil& civil) {
  const int64_t seconds = DaysFromCivil(civil.year, civil.month, civil.day) * 86'400 +
                          (civil.hour * 60 + civil.minute) * 60 + civil.second;
  return {seconds * kMicrosPerSecond + civil.micros};
}

bool ValidCivil(const Civil& civil) {
  return civil.month >= 1 && civil.month <= 12 && civil.day >= 1 &&
         civil.day <= DaysInMonth(civil.year, civil.month) && civil.hour >= 0 && civil.hour <= 23 &&
         civil.minute >= 0 && civil.minute <= 59 && civil.second >= 0 && civil.second <= 59 &&
         civil.micros >= 0 && civil.micros < kMicrosPerSecond;
}

void AppendTimestamp(std::string& out, Timestamp time) {
  const Civil civil = CivilFromTimestamp(time);
  std::array<char, 64> buffer{};
  int length =
      std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d", civil.year,
                    civil.month, civil.day, civil.hour, civil.minute, civil.second);
  out.append(buffer.data(), static_cast<size_t>(length));
  if (civil.micros != 0) {
    length = std::snprintf(buffer.data(), buffer.size(), ".%06d", civil.micros);
    out.append(buffer.data(), static_cast<size_t>(length));
  }
  out.push_back('Z');
}

std::string FormatTimestamp(Timestamp time) {
  std::string text;
  AppendTimestamp(text, time);
  return text;
}

Result<Timestamp> ParseTimestamp(std::string_view text) {
  const Error malformed = InvalidArgument("'" + std::string(text.substr(0, 64)) +
                                          "' is not a time; write 2026-11-24T13:09:46Z");
  Civil civil;
  const auto year = TakeDigits(text, 4);
  if (!year || !TakeChar(text, '-')) return malformed;
  const auto month = TakeDigits(text, 2);
  if (!month || !TakeChar(text, '-')) return malformed;
  const auto day = TakeDigits(text, 2);
  if (!day) return malformed;
  civil.year = *year;
  civil.month = *month;
  civil.day = *day;
  int offset_seconds = 0;
  if (TakeChar(text, 'T') || TakeChar(text, 't') || TakeChar(text, ' ')) {
    if (!TakeTimeOfDay(text, civil)) return malformed;
    const auto offset = TakeOffset(text);
    if (!offset) return malformed;
    offset_seconds = *offset;
  }
  if (!text.empty() || !ValidCivil(civil)) return malformed;
  return Timestamp{TimestampFromCivil(civil).micros - offset_seconds * kMicrosPerSecond};
}

}  // namespace tarn
