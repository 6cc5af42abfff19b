#include "base/text.h"

#include <emmintrin.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

namespace tarn {
namespace {

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Length of the well-formed UTF-8 sequence at the front, 0 if malformed. Unicode 15, table 3-7.
size_t Utf8SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
    const uint8_t high = first == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// A copy in which `put` stands in for each malformed byte. Most text has none.
template <typename Put>
std::string WithMalformed(std::string_view text, Put&& put) {
  if (IsValidUtf8(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) put(text.front(), out);
    out.append(text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

constexpr uint64_t kHighBits = 0x8080808080808080;

uint64_t WordAt(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The length of the run of ASCII at the front.
size_t AsciiPrefix(std::string_view text) {
  const char* const data = text.data();
  size_t at = 0;
  for (; at + 32 <= text.size(); at += 32) {
    const uint64_t seen =
        WordAt(data + at) | WordAt(data + at + 8) | WordAt(data + at + 16) | WordAt(data + at + 24);
    if ((seen & kHighBits) != 0) break;
  }
  while (at + 8 <= text.size() && (WordAt(data + at) & kHighBits) == 0) at += 8;
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

// Letters to insert, remove, replace, or swap with their neighbour: "optimal string alignment".
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last;
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

// Of a word that long: one letter in three, but at least one, and never all or more than four.
size_t MistakesIn(size_t letters) {
  return std::min({std::max<size_t>((letters + 1) / 3, 1), letters - 1, size_t{4}});
}

// Splits "64MB" into 64 and "MB".
std::optional<std::pair<double, std::string_view>> NumberAndUnit(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789.");
  const auto number = ParseDouble(text.substr(0, end));
  if (!number) return std::nullopt;
  std::string_view unit = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return std::pair{*number, unit};
}

}  // namespace

std::optional<int64_t> ParseInt64(std::string_view text) { return ParseNumber<int64_t>(text); }
std::optional<uint64_t> ParseUint64(std::string_view text) { return ParseNumber<uint64_t>(text); }
std::optional<double> ParseDouble(std::string_view text) { return ParseNumber<double>(text); }

bool IsAscii(std::string_view text) { return AsciiPrefix(text) == text.size(); }

bool EqualsNoCase(std::string_view a, std::string_view b) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return small(x) == small(y); });
}

uint64_t CountLines(std::string_view text) {
  // Sixteen bytes a step; each lane counts up to 255 before the lanes are summed.
  const __m128i newline = _mm_set1_epi8('\n');
  uint64_t count = 0;
  size_t i = 0;
  while (i + 16 <= text.size()) {
    const size_t steps = std::min<size_t>(255, (text.size() - i) / 16);
    __m128i lanes = _mm_setzero_si128();
    for (size_t step = 0; step < steps; ++step, i += 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
      lanes = _mm_sub_epi8(lanes, _mm_cmpeq_epi8(block, newline));
    }
    const __m128i sums = _mm_sad_epu8(lanes, _mm_setzero_si128());
    count += static_cast<uint64_t>(_mm_cvtsi128_si64(sums)) +
             static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_srli_si128(sums, 8)));
  }
  for (; i < text.size(); ++i) count += text[i] == '\n' ? 1U : 0U;
  return count;
}

bool IsValidUtf8(std::string_view text) {
  for (;;) {
    text.remove_prefix(AsciiPrefix(text));
    if (text.empty()) return true;
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  return WithMalformed(text, [](char /*byte*/, std::string& out) { out.append("\xef\xbf\xbd"); });
}

std::string EscapeInvalidUtf8(std::string_view text) {
  return WithMalformed(text, [](char byte, std::string& out) {
    out.append(fmt::format("\\x{:02x}", static_cast<uint8_t>(byte)));
  });
}

std::string_view CutText(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  // A character has three such bytes at most.
  for (size_t end = max_bytes; end + 3 >= max_bytes; --end) {
    if (!ContinuesCharacter(text[end])) return text.substr(0, end);
    if (end == 0) break;
  }
  return text.substr(0, max_bytes);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined.append(separator);
    joined.append(parts[i]);
  }
  return joined;
}

std::string ShellWord(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/:@%,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string SaidBy(std::string_view program, std::string_view text) {
  const std::vector<std::string_view> lines = Split(text, '\n');
  const std::string_view file = text.substr(0, text.find(':') + 1);
  const bool one_file = !file.empty() && std::ranges::all_of(lines, [file](std::string_view line) {
    return line.starts_with(file);
  });
  std::string said;
  for (const std::string_view& line : lines) {
    if (one_file || &line == &lines.front()) said.append(program).append(": ");
    said.append(line).append("\n");
  }
  return said;
}

std::optional<std::string_view> NearestWord(std::string_view word,
                                            const std::vector<std::string_view>& known) {
  std::optional<std::string_view> nearest;
  if (word.empty()) return nearest;
  size_t best = MistakesIn(word.size()) + 1;
  for (const std::string_view candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& known,
                       std::string_view see) {
  if (const auto nearest = NearestWord(word, known)) return DidYouMean(*nearest);
  return see.empty() ? std::string() : fmt::format("; {}", see);
}

std::string DidYouMean(std::string_view meant) {
  return fmt::format("; did you mean '{}'?", meant);
}

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 || value >= 99.95 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                                     : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 11> kUnits = {{{"", 1},
                                                                           {"B", 1},
                                                                           {"kB", 1e3},
                                                                           {"KB", 1e3},
                                                                           {"MB", 1e6},
                                                                           {"GB", 1e9},
                                                                           {"TB", 1e12},
                                                                           {"KiB", 1024},
                                                                           {"MiB", 1048576},
                                                                           {"GiB", 1073741824},
                                                                           {"TiB", 1099511627776}}};
  const auto parts = NumberAndUnit(text);
  if (!parts) return std::nullopt;
  for (const auto& [unit, factor] : kUnits) {
    const double bytes = parts->first * factor;
    if (unit == parts->second && bytes < 9e18) return static_cast<uint64_t>(std::llround(bytes));
  }
  return std::nullopt;
}

std::optional<int64_t> ParseDuration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
      {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}}};
  const auto parts = NumberAndUnit(text);
  if (!parts) return std::nullopt;
  for (const auto& [unit, factor] : kUnits) {
    const double micros = parts->first * factor;
    if (unit == parts->second && micros < 9e18) return std::llround(micros);
  }
  return std::nullopt;
}

}  // namespace tarn
