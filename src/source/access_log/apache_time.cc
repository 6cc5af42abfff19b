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
  int hour = parts.hour;
  if (parts.hour12 >= 0) hour = parts.hour12 % 12 + (parts.pm ? 12 : 0);
  Civil civil{parts.year, parts.month, parts.day, hour, parts.minute, parts.second, 0};
  if (parts.day_of_year > 0) civil.month = civil.day = 1;
  const bool leap_second = civil.second == 60;
  if (leap_second) civil.second = 59;
  if (!ValidCivil(civil)) return std::nullopt;
  int64_t micros = TimestampFromCivil(civil).micros + parts.fraction_us;
  if (leap_second) micros += kMicrosPerSecond;
  if (parts.day_of_year > 0) micros += (parts.day_of_year - 1) * kMicrosPerDay;
  return InRange(micros - int64_t{parts.offset_minutes} * 60 * kMicrosPerSecond);
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
  if (text.size() >= 19 && text.size() < 64 && text[4] == '/' && text[7] == '/') {
    std::array<char, 64> iso;
    std::memcpy(iso.data(), text.data(), text.size());
    iso[4] = iso[7] = '-';
    const auto time = ParseTimestamp({iso.data(), text.size()});
    return time.ok() ? InRange(time->micros) : std::nullopt;
  }
  if (text.size() < 10 || text[4] != '-') return std::nullopt;
  const auto time = ParseTimestamp(text);
  return time.ok() ? InRange(time->micros) : std::nullopt;
}

}  // namespace tarn::access_log
