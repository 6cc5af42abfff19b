#include "source/access_log/apache_time.h"

#include <cstring>

#include "base/text.h"
#include "base/time.h"

namespace tarn::access_log {
namespace {

bool Digits(const char* at, int count, int& value) {
  value = 0;
  for (int i = 0; i < count; ++i) {
    if (at[i] < '0' || at[i] > '9') return false;
    value = value * 10 + (at[i] - '0');
  }
  return true;
}

// Years 1 to 9999: what ISO 8601 and the lake's readers can print.
std::optional<int64_t> InRange(int64_t micros) {
  constexpr int64_t kFirst = -62'135'596'800 * kMicrosPerSecond;
  constexpr int64_t kEnd = 253'402'300'800 * kMicrosPerSecond;
  if (micros < kFirst || micros >= kEnd) return std::nullopt;
  return micros;
}

// "Wed Oct 11 14:32:52 2000", "Wed Oct 11 14:32:52.958285 2000".
std::optional<int64_t> ParseErrorLogTime(std::string_view text) {
  if (text.size() < 24 || text[3] != ' ' || text[7] != ' ' || text[10] != ' ') return std::nullopt;
  TimeParts parts;
  parts.month = MonthOf(text.data() + 4);
  const char* at = text.data() + 8;
  if (*at == ' ') {
    if (!Digits(at + 1, 1, parts.day)) return std::nullopt;
  } else if (!Digits(at, 2, parts.day)) {
    return std::nullopt;
  }
  if (parts.month == 0 || !Digits(at + 3, 2, parts.hour) || at[5] != ':' ||
      !Digits(at + 6, 2, parts.minute) || at[8] != ':' || !Digits(at + 9, 2, parts.second)) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {
    const size_t space = rest.find(' ');
    if (space != 7 || !ParseUint64(rest.substr(1, 6))) return std::nullopt;
    parts.fraction_us = *ParseInt64(rest.substr(1, 6));
    rest.remove_prefix(space);
  }
  if (rest.size() != 5 || rest[0] != ' ' || !Digits(rest.data() + 1, 4, parts.year)) {
    return std::nullopt;
  }
  return MicrosOf(parts);
}

std::optional<int64_t> ParseEpoch(std::string_view text) {
  const auto value = ParseInt64(text);
  if (!value || *value < 0) return std::nullopt;
  switch (text.size()) {
    case 10:
      return *value * kMicrosPerSecond;
    case 13:
      return *value * 1'000;
    case 16:
      return *value;
    default:
      return std::nullopt;
  }
}

// The years of %y: as POSIX strptime.
int FullYear(int century, int year_of_century) {
  if (century >= 0) return century * 100 + std::max(year_of_century, 0);
  return year_of_century + (year_of_century < 69 ? 2000 : 1900);
}

int YearOf(const TimeParts& parts) {
  if (parts.year >= 0) return parts.year;
  if (parts.century >= 0 || parts.year_of_century >= 0)
    return FullYear(parts.century, parts.year_of_century);
  if (parts.iso_year >= 0) return parts.iso_year;
  return parts.iso_year_of_century >= 0 ? FullYear(-1, parts.iso_year_of_century) : 1970;
}

// Days are counted from 1970-01-01, a Thursday. 0 is Monday.
int64_t WeekdayOf(int64_t day) { return (day % 7 + 7 + 3) % 7; }

// The Monday of ISO 8601's first week: the one with January 4 in it.
int64_t FirstIsoMonday(int year) {
  const int64_t day = DaysFromCivil(year, 1, 4);
  return day - WeekdayOf(day);
}

std::optional<int64_t> DayOfIsoWeek(const TimeParts& parts) {
  int year = YearOf(parts);
  if (parts.iso_year_of_century >= 0) year = FullYear(-1, parts.iso_year_of_century);
  if (parts.iso_year >= 0) year = parts.iso_year;
  const int64_t monday = FirstIsoMonday(year) + int64_t{parts.iso_week - 1} * 7;
  if (monday >= FirstIsoMonday(year + 1)) return std::nullopt;
  return monday + std::max(parts.weekday, 1) - 1;
}

// Weeks that begin with a Sunday or a Monday; days before the first such one are in week 0.
std::optional<int64_t> DayOfWeek(const TimeParts& parts) {
  const int year = YearOf(parts);
  const int64_t new_year = DaysFromCivil(year, 1, 1);
  const bool by_monday = parts.monday_week >= 0;
  const int64_t before = by_monday ? WeekdayOf(new_year) : (WeekdayOf(new_year) + 1) % 7;
  const int64_t first = new_year + (7 - before) % 7;  // day of week 1
  const int64_t week = first + int64_t{by_monday ? parts.monday_week : parts.sunday_week} * 7 - 7;
  int64_t day = std::max(week, new_year);
  if (parts.weekday >= 0) day = week + (by_monday ? parts.weekday - 1 : parts.weekday % 7);
  if (day < new_year || day >= DaysFromCivil(year + 1, 1, 1)) return std::nullopt;
  return day;
}

std::optional<int64_t> DayOf(const TimeParts& parts) {
  const int year = YearOf(parts);
  if (parts.day_of_year >= 0) {
    const int64_t day = DaysFromCivil(year, 1, 1) + parts.day_of_year - 1;
    if (day >= DaysFromCivil(year + 1, 1, 1)) return std::nullopt;
    return day;
  }
  if (parts.month < 0 && parts.day < 0) {
    if (parts.iso_week >= 0) return DayOfIsoWeek(parts);
    if (parts.sunday_week >= 0 || parts.monday_week >= 0) return DayOfWeek(parts);
  }
  Civil date;
  date.year = year;
  if (parts.month >= 0) date.month = parts.month;
  if (parts.day >= 0) date.day = parts.day;
  if (!ValidCivil(date)) return std::nullopt;
  return DaysFromCivil(date.year, date.month, date.day);
}

}  // namespace

int MonthOf(const char* three_letters) {
  static constexpr char kNames[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int month = 0; month < 12; ++month) {
    if (std::memcmp(three_letters, kNames + month * 3, 3) == 0) return month + 1;
  }
  return 0;
}

std::optional<int64_t> MicrosOf(const TimeParts& parts) {
  if (parts.has_epoch) return InRange(parts.epoch_us + parts.fraction_us);
  const auto day = DayOf(parts);
  if (!day) return std::nullopt;
  int hour = std::max(parts.hour, 0);
  if (parts.hour < 0 && parts.hour12 >= 0) hour = parts.hour12 % 12 + (parts.pm ? 12 : 0);
  if (hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  const int64_t minutes = int64_t{hour} * 60 + parts.minute - parts.offset_minutes;
  return InRange(*day * kMicrosPerDay + (minutes * 60 + parts.second) * kMicrosPerSecond +
                 parts.fraction_us);
}

std::optional<int64_t> ParseApacheTime(std::string_view text) {
  if (text.size() != 26) return std::nullopt;
  const char* at = text.data();
  TimeParts parts;
  int offset_hours = 0;
  int offset_minutes = 0;
  parts.month = MonthOf(at + 3);
  const bool shape = at[2] == '/' && at[6] == '/' && at[11] == ':' && at[14] == ':' &&
                     at[17] == ':' && at[20] == ' ' && (at[21] == '+' || at[21] == '-');
  if (!shape || parts.month == 0 || !Digits(at, 2, parts.day) || !Digits(at + 7, 4, parts.year) ||
      !Digits(at + 12, 2, parts.hour) || !Digits(at + 15, 2, parts.minute) ||
      !Digits(at + 18, 2, parts.second) || !Digits(at + 22, 2, offset_hours) ||
      !Digits(at + 24, 2, offset_minutes) || offset_hours > 23 || offset_minutes > 59) {
    return std::nullopt;
  }
  parts.offset_minutes = offset_hours * 60 + offset_minutes;
  if (at[21] == '-') parts.offset_minutes = -parts.offset_minutes;
  return MicrosOf(parts);
}

std::optional<int64_t> ParseBracketedApacheTime(std::string_view text) {
  if (!text.empty() && text.front() == '[') text.remove_prefix(1);
  if (!text.empty() && text.back() == ']') text.remove_suffix(1);
  return ParseApacheTime(text);
}

std::optional<int64_t> ParseAnyTime(std::string_view text) {
  if (auto micros = ParseBracketedApacheTime(text)) return micros;
  if (auto micros = ParseErrorLogTime(text)) return micros;
  if (auto micros = ParseEpoch(text)) return micros;
  if (text.size() < 10 || (text[4] != '-' && text[4] != '/') || text[7] != text[4]) {
    return std::nullopt;
  }
  const bool slashes = text[4] == '/';
  const bool leap = text.size() >= 19 && text.substr(16, 3) == ":60";
  std::array<char, 64> iso;
  if (slashes || leap) {
    if (text.size() < 19 || text.size() >= iso.size()) return std::nullopt;
    std::memcpy(iso.data(), text.data(), text.size());
    iso[4] = iso[7] = '-';
    if (leap) std::memcpy(iso.data() + 17, "59", 2);
    text = {iso.data(), text.size()};
  }
  const auto time = ParseTimestamp(text);
  if (!time.ok()) return std::nullopt;
  return InRange(time->micros + (leap ? kMicrosPerSecond : 0));
}

}  // namespace tarn::access_log
