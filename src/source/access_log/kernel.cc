#include "source/access_log/kernel.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"
#include "source/access_log/decode.h"

namespace tarn::access_log {
namespace {

constexpr std::array<char, 200> kTwoDigits = [] {
  std::array<char, 200> table{};
  for (size_t i = 0; i < 100; ++i) {
    table[2 * i] = static_cast<char>('0' + i / 10);
    table[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return table;
}();

void PutTwo(char* out, int value) {
  std::memcpy(out, kTwoDigits.data() + 2 * static_cast<size_t>(value), 2);
}

// Two digits at `at`, below `limit`; -1 otherwise.
int TakeTwo(const char* at, int limit) {
  const unsigned tens = static_cast<unsigned char>(at[0]) - unsigned{'0'};
  const unsigned ones = static_cast<unsigned char>(at[1]) - unsigned{'0'};
  if (tens > 9 || ones > 9) return -1;
  const int value = static_cast<int>(tens * 10 + ones);
  return value < limit ? value : -1;
}

// Up to `most` digits, at least `least`.
bool TakeDigits(const char*& at, const char* end, std::pair<int, int> least_most, int64_t& value) {
  value = 0;
  int count = 0;
  while (at != end && count < least_most.second && *at >= '0' && *at <= '9') {
    value = value * 10 + (*at++ - '0');
    ++count;
  }
  return count >= least_most.first;
}

bool TakeInt(const char*& at, const char* end, std::pair<int, int> least_most, int& value) {
  int64_t wide = 0;
  if (!TakeDigits(at, end, least_most, wide)) return false;
  value = static_cast<int>(wide);
  return true;
}

// ±hhmm, ±hh:mm or Z.
bool TakeOffset(const char*& at, const char* end, TimeParts& parts) {
  if (at == end) return false;
  const char sign = *at++;
  if (sign == 'Z') return true;
  if (sign != '+' && sign != '-') return false;
  int hours = 0;
  int minutes = 0;
  if (!TakeInt(at, end, {2, 2}, hours)) return false;
  if (at != end && *at == ':') ++at;
  if (!TakeInt(at, end, {2, 2}, minutes) || hours > 23 || minutes > 59) return false;
  const int total = hours * 60 + minutes;
  parts.offset_minutes = sign == '-' ? -total : total;
  return true;
}

// Letters: the name of a day, zone or month in full.
std::string_view TakeLetters(const char*& at, const char* end) {
  const char* begin = at;
  while (at != end && ((*at | 32) >= 'a' && (*at | 32) <= 'z')) ++at;
  return {begin, static_cast<size_t>(at - begin)};
}

bool TakeWord(const char*& at, const char* end, char part, TimeParts& parts) {
  const std::string_view word = TakeLetters(at, end);
  const auto letter = [&word](size_t i) { return static_cast<char>(word[i] | 32); };
  if (part == 'p') {
    if (word.size() != 2 || letter(1) != 'm') return false;
    parts.pm = letter(0) == 'p';
    return parts.pm || letter(0) == 'a';
  }
  if (part == 'Z') return !word.empty();  // adds nothing: names of zones are not unique
  if (word.size() < 3) return part == 'a' && !word.empty();
  // As Apache spells it, whatever case was asked for (%^b).
  const char name[] = {static_cast<char>(word[0] & ~32), letter(1), letter(2)};
  if (part == 'b') {
    parts.month = MonthOf(name);
    return parts.month != 0;
  }
  static constexpr std::string_view kDays = "MonTueWedThuFriSatSun";
  const size_t day = kDays.find(std::string_view(name, sizeof name));
  if (day < kDays.size()) parts.weekday = static_cast<int>(day / 3) + 1;
  return true;  // another name adds nothing
}

bool TakeEpoch(const char*& at, const char* end, char part, TimeParts& parts) {
  int64_t value = 0;
  const int most = part == kPartUsec ? 17 : part == kPartMsec ? 14 : 11;
  if (!TakeDigits(at, end, {1, most}, value)) return false;
  parts.has_epoch = true;
  parts.epoch_us = value * (part == kPartUsec ? 1 : part == kPartMsec ? 1'000 : kMicrosPerSecond);
  return true;
}

struct NumberPart {
  int TimeParts::* field;
  int digits, least, most;
  char letter;
};
constexpr NumberPart kNumberParts[] = {{&TimeParts::year, 4, 0, 9'999, 'Y'},
                                       {&TimeParts::century, 2, 0, 99, 'C'},
                                       {&TimeParts::year_of_century, 2, 0, 99, 'y'},
                                       {&TimeParts::iso_year, 4, 0, 9'999, 'G'},
                                       {&TimeParts::iso_year_of_century, 2, 0, 99, 'g'},
                                       {&TimeParts::month, 2, 1, 12, 'm'},
                                       {&TimeParts::day, 2, 1, 31, 'd'},
                                       {&TimeParts::day_of_year, 3, 1, 366, 'j'},
                                       {&TimeParts::iso_week, 2, 1, 53, 'V'},
                                       {&TimeParts::sunday_week, 2, 0, 53, 'U'},
                                       {&TimeParts::monday_week, 2, 0, 53, 'W'},
                                       {&TimeParts::weekday, 1, 1, 7, 'u'},
                                       {&TimeParts::weekday, 1, 0, 6, 'w'},
                                       {&TimeParts::hour, 2, 0, 23, 'H'},
                                       {&TimeParts::hour12, 2, 0, 12, 'I'},
                                       {&TimeParts::minute, 2, 0, 59, 'M'},
                                       {&TimeParts::second, 2, 0, 60, 'S'}};

bool TakeNumberPart(const char*& at, const char* end, const Step& step, TimeParts& parts) {
  for (const NumberPart& part : kNumberParts) {
    if (part.letter != step.part) continue;
    int padding = 0;
    while (step.padded && padding < part.digits - 1 && at != end && *at == ' ') {
      ++at;
      ++padding;
    }
    int& value = parts.*part.field;
    const int least_digits = step.padded ? 1 : part.digits;
    if (!TakeInt(at, end, {least_digits, part.digits - padding}, value)) return false;
    if (value < part.least || value > part.most) return false;
    if (step.part == 'w' && value == 0) value = 7;
    return true;
  }
  return false;
}

}  // namespace

bool IsHost(std::string_view text) {
  std::string decoded;
  if (text.find('\\') != std::string_view::npos) {
    Slot slot{};
    slot.data = text.data();
    slot.size = static_cast<uint32_t>(text.size());
    slot.encoding = Encoding::kApache;
    AppendDecoded(slot, false, decoded);
    text = decoded;
  }
  const bool odd = std::any_of(text.begin(), text.end(), [](char c) {
    return (c >= 0 && c <= ' ') || c == 0x7f || c == '<' || c == '>' || c == '"';
  });
  return !text.empty() && !odd && text.find("\xef\xbb\xbf") == std::string_view::npos;
}

std::string_view ReasonOf(const Step& step, const char* at, const char* end) {
  if (step.op == Op::kHost) {
    const bool none = at == end || *at == ' ' || *at == '\t';
    return none ? step.reason : step.unfit;
  }
  if (step.op == Op::kNumber) {
    if (at != end && *at == '-') ++at;
    const bool digit = at != end && *at >= '0' && *at <= '9';
    return digit ? step.unfit : step.reason;
  }
  return step.reason;
}

bool MatchTime(const char* at, TimeCache& cache) {
  const char* last = cache.text.data();
  // Bytes 0-11 are the day, 13-20 the time of day, 21-27 the offset.
  if (cache.filled && GetFixed<uint64_t>(at) == GetFixed<uint64_t>(last) &&
      GetFixed<uint32_t>(at + 8) == GetFixed<uint32_t>(last + 8) &&
      (GetFixed<uint64_t>(at + 20) ^ GetFixed<uint64_t>(last + 20)) >> 8 == 0) {
    if (GetFixed<uint64_t>(at + 13) == GetFixed<uint64_t>(last + 13) && at[12] == ':') return true;
    const int hour = TakeTwo(at + 13, 24);
    const int minute = TakeTwo(at + 16, 60);
    const int second = TakeTwo(at + 19, 60);
    if (hour >= 0 && minute >= 0 && second >= 0 && at[12] == ':' && at[15] == ':' &&
        at[18] == ':') {
      cache.micros =
          cache.midnight_micros + int64_t{hour * 3600 + minute * 60 + second} * kMicrosPerSecond;
      std::memcpy(cache.text.data(), at, 28);
      return true;
    }
  }
  if (at[0] != '[' || at[27] != ']') return false;
  const auto micros = ParseApacheTime({at + 1, 26});
  if (!micros) return false;
  std::memcpy(cache.text.data(), at, 28);
  cache.filled = true;
  cache.micros = *micros;
  const int64_t since_midnight =
      int64_t{TakeTwo(at + 13, 24) * 3600 + TakeTwo(at + 16, 60) * 60 + TakeTwo(at + 19, 61)};
  cache.midnight_micros = *micros - since_midnight * kMicrosPerSecond;
  return true;
}

bool MatchTimePart(const char*& at, const char* end, const Step& step, TimeParts& parts) {
  parts.any = true;
  int64_t value = 0;
  switch (step.part) {
    case kPartMsecFrac:
      if (!TakeDigits(at, end, {3, 3}, value)) return false;
      parts.fraction_us = value * 1'000;
      return true;
    case kPartUsecFrac:
      if (!TakeDigits(at, end, {6, 6}, value)) return false;
      parts.fraction_us = value;
      return true;
    case 's':
    case kPartSec:
    case kPartMsec:
    case kPartUsec:
      return TakeEpoch(at, end, step.part, parts);
    case 'z':
      return TakeOffset(at, end, parts);
    case 'a':
    case 'b':
    case 'p':
    case 'Z':
      return TakeWord(at, end, step.part, parts);
    default:
      return TakeNumberPart(at, end, step, parts);
  }
}

void FormatSecond(int64_t second, TimeText& text) {
  const int64_t day = FloorDiv(second, 86'400);
  const int rest = static_cast<int>(second - day * 86'400);
  if (day != text.day) {
    const Civil civil = CivilFromTimestamp({day * kMicrosPerDay});
    std::memcpy(text.text.data(), "0000-00-00T00:00:00Z", 20);
    const int year = std::clamp(civil.year, 0, 9'999);  // MicrosOf lets no other pass but for hours
    PutTwo(text.text.data(), year / 100);
    PutTwo(text.text.data() + 2, year % 100);
    PutTwo(text.text.data() + 5, civil.month);
    PutTwo(text.text.data() + 8, civil.day);
    text.day = day;
  }
  PutTwo(text.text.data() + 11, rest / 3600);
  PutTwo(text.text.data() + 14, rest / 60 % 60);
  PutTwo(text.text.data() + 17, rest % 60);
  text.second = second;
}

char* WriteInteger(int64_t value, char* out) {
  auto rest = static_cast<uint64_t>(value);
  if (value < 0) {
    *out++ = '-';
    rest = ~rest + 1;
  }
  char digits[20];
  char* at = digits + sizeof digits;
  while (rest >= 100) {
    at -= 2;
    std::memcpy(at, kTwoDigits.data() + rest % 100 * 2, 2);
    rest /= 100;
  }
  if (rest >= 10) {
    at -= 2;
    std::memcpy(at, kTwoDigits.data() + rest * 2, 2);
  } else {
    *--at = static_cast<char>('0' + rest);
  }
  const auto size = static_cast<size_t>(digits + sizeof digits - at);
  std::memcpy(out, at, size);
  return out + size;
}

char* WriteDouble(double value, char* out) {
  if (!std::isfinite(value)) {
    std::memcpy(out, "null", 4);
    return out + 4;
  }
  return std::to_chars(out, out + kNumberBytes, value).ptr;
}

}  // namespace tarn::access_log
