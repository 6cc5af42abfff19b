#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tarn::access_log {

// The fields a time was written in, until they become one instant.
struct TimeParts {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  int hour12 = -1;  // %I
  bool pm = false;
  int day_of_year = 0;  // %j, 1-366
  int64_t fraction_us = 0;
  int offset_minutes = 0;
  bool has_epoch = false;
  int64_t epoch_us = 0;  // %s, %{sec}t, …
  bool any = false;
};

// nullopt for a date that does not exist. A second of 60 is taken as the first of the next minute.
std::optional<int64_t> MicrosOf(const TimeParts& parts);

// "10/Oct/2000:13:55:36 -0700", exactly 26 characters (hours of more digits, names of months in
// any case are refused). UTC µs.
std::optional<int64_t> ParseApacheTime(std::string_view text);
// The same with or without one '[' before and one ']' behind.
std::optional<int64_t> ParseBracketedApacheTime(std::string_view text);

// What json, csv and regex fields may hold: Apache's form, ISO 8601, "Wed Oct 11 14:32:52.123
// 2000", "2021/06/03 09:30:50", or an epoch of 10 (s), 13 (ms) or 16 (µs) digits.
std::optional<int64_t> ParseAnyTime(std::string_view text);

// 1-12 for "Jan" … "Dec", 0 for anything else.
int MonthOf(const char* three_letters);

}  // namespace tarn::access_log
