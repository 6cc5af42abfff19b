#include "app/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/text.h"

namespace tarn::app {
namespace {

// Ranges of double width (Unicode 15, East Asian Width W and F), and of none (combining marks).
struct Range {
  uint32_t first;
  uint32_t last;
};
constexpr std::array<Range, 9> kWide = {{{0x1100, 0x115f},
                                         {0x2e80, 0xa4cf},
                                         {0xac00, 0xd7a3},
                                         {0xf900, 0xfaff},
                                         {0xfe30, 0xfe6f},
                                         {0xff00, 0xff60},
                                         {0xffe0, 0xffe6},
                                         {0x1f300, 0x1faff},
                                         {0x20000, 0x3fffd}}};
constexpr std::array<Range, 5> kNone = {
    {{0x300, 0x36f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};

template <size_t N>
bool In(const std::array<Range, N>& ranges, uint32_t point) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
    return point >= range.first && point <= range.last;
  });
}

void AppendPadded(std::string& out, const std::string& cell, size_t width, bool right) {
  const size_t own = DisplayWidth(cell);
  const size_t pad = width > own ? width - own : 0;
  if (right) out.append(pad, ' ');
  out.append(cell);
  if (!right) out.append(pad, ' ');
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header)
    : header_(std::move(header)), right_(header_.size()), cut_(header_.size()) {
  for (const std::string& name : header_) widths_.push_back(DisplayWidth(name));
}

void TextTable::Add(std::vector<std::string> cells) {
  TARN_CHECK(cells.size() == header_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], DisplayWidth(cells[i]));
  }
  rows_.push_back(std::move(cells));
}

void TextTable::AppendRow(std::string& out, const std::vector<std::string>& cells) const {
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out.append("  ");
    AppendPadded(out, CutToWidth(cells[i], cut_[i] ? widths_[i] : SIZE_MAX), widths_[i], right_[i]);
  }
  while (out.ends_with(' ')) out.pop_back();
  out.push_back('\n');
}

void TextTable::AppendHeader(std::string& out) const {
  AppendRow(out, header_);
  std::vector<std::string> rule;
  for (const size_t width : widths_) rule.emplace_back(width, '-');
  AppendRow(out, rule);
}

void TextTable::AppendRows(std::string& out) const {
  for (const auto& row : rows_) AppendRow(out, row);
}

std::string TextTable::Print() const {
  std::string out;
  AppendHeader(out);
  AppendRows(out);
  return out;
}

bool TextTable::Narrow(size_t width) {
  const auto total = [&](size_t cap) {
    size_t sum = header_.empty() ? 0 : 2 * (header_.size() - 1);
    for (size_t i = 0; i < widths_.size(); ++i) {
      sum += right_[i] ? widths_[i] : std::min(widths_[i], cap);
    }
    return sum;
  };
  if (total(SIZE_MAX) <= width) return true;
  size_t cap = width;
  while (cap >= kLeastWidth && total(cap) > width) --cap;
  if (cap < kLeastWidth) return false;
  for (size_t i = 0; i < widths_.size(); ++i) {
    if (right_[i] || widths_[i] <= cap) continue;
    widths_[i] = cap;
    cut_[i] = true;
  }
  return true;
}

void TextTable::AppendRecord(std::string& out, uint64_t number,
                             const std::vector<std::string>& cells) const {
  size_t widest = 0;
  for (const std::string& name : header_) widest = std::max(widest, DisplayWidth(name));
  out += "-- row " + std::to_string(number) + "\n";
  for (size_t i = 0; i < cells.size(); ++i) {
    AppendPadded(out, header_[i], widest, false);
    out += "  " + cells[i] + "\n";
  }
}

std::string CutToWidth(const std::string& text, size_t width) {
  if (width == SIZE_MAX || DisplayWidth(text) <= width) return text;
  size_t end = 0;
  size_t columns = 0;
  while (end < text.size()) {
    size_t next = end + 1;
    while (next < text.size() && ContinuesCharacter(text[next])) ++next;
    columns += DisplayWidth(std::string_view(text).substr(end, next - end));
    if (columns + 1 > width) break;
    end = next;
  }
  return text.substr(0, end) + "…";
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t point = length == 1 ? first : first & (0xffU >> (length + 1));
    for (size_t j = 1; j < length && i + j < text.size(); ++j) {
      point = point << 6 | (static_cast<uint8_t>(text[i + j]) & 0x3fU);
    }
    width += In(kNone, point) ? size_t{0} : In(kWide, point) ? size_t{2} : size_t{1};
    i += length;
  }
  return width;
}

std::string OnOneLine(std::string text) {
  const auto is_control = [&text](size_t i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    return byte == 0xc2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xa0;
  };
  std::string out;
  size_t kept = 0;  // up to here `out` has it
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_control(i)) continue;
    out.append(text, kept, i - kept);
    if (text[i] == '\xc2') ++i;
    out += text[i] == '\n'   ? "\\n"
           : text[i] == '\t' ? "\\t"
                             : fmt::format("\\x{:02x}", static_cast<uint8_t>(text[i]));
    kept = i + 1;
  }
  if (kept == 0) return text;
  return out.append(text, kept);
}

std::string GroupDigits(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first = text.starts_with('-') ? 1 : 0;
  for (size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Counted(int64_t number, std::string_view noun) {
  return Counted(number, noun, std::string(noun) + "s");
}

std::string Counted(int64_t number, std::string_view noun, std::string_view plural) {
  return GroupDigits(number).append(" ").append(number == 1 ? noun : plural);
}

}  // namespace tarn::app
