#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tarn::access_log {

// The fields a time was written in, until they become one instant; -1 is not given. What strftime
// calls them stands behind.
struct TimeParts {
  int year = -1, month = -1, day = -1, hour = -1, minute = 0, second = 0;  // Y m d H M S
  int century = -1, year_of_century = -1;                                  // C y
  int iso_year = -1, iso_year_of_century = -1, iso_week = -1;              // G g V
  int sunday_week = -1, monday_week = -1;                                  // U W
  int weekday = -1;                                                        // u: 1 is Monday
  int day_of_year = -1;                                                    // j, 1-366
  int hour12 = -1;                                                         // I
  bool pm = false;
  int64_t fraction_us = 0;
  int offset_minutes = 0;
  bool has_epoch = false;
  int64_t epoch_us = 0;  // %s, %{sec}t, …
  bool any = false;
};

// What is not given is the first there is: of a year its first day, of a week its first, of all
// years 1970. nullopt for a date that does not exist. A second of 60 is taken as the first of the
// next minute.
std::optional<int64_t> MicrosOf(const TimeParts& parts);

// "10/Oct/2000:13:55:36 -0700", exactly 26 characters (hours of more digits, names of months in
// any case are refused). UTC µs.
std::optional<int64_t> ParseApacheTime(std::string_view text);
// The same with or without one '[' before and one ']' behind.
std::optional<int64_t> ParseBracketedApacheTime(std::string_view text);

// What json, csv and regex fields may hold: Apache's form, ISO 8601, "Wed Oct 11 14:32:52.123
// 2000", "2021/06/03 09:30:50", or an epoch of 10 (s), 13 (ms) or 16 (µs) digits. A second of 60 is
// taken as the first of the next minute in each.
std::optional<int64_t> ParseAnyTime(std::string_view text);

// 1-12 for "Jan" … "Dec", 0 for anything else.
int MonthOf(const char* three_letters);

}  // namespace tarn::access_log
