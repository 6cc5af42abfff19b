#include "app/text_table.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"

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
constexpr std::array<Range, 3> kNone = {{{0x300, 0x36f}, {0x200b, 0x200f}, {0xfe00, 0xfe0f}}};

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
    : header_(std::move(header)), right_(header_.size()) {}

void TextTable::Add(std::vector<std::string> cells) {
  TARN_CHECK(cells.size() == header_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::Print() const {
  std::vector<size_t> widths;
  for (const std::string& name : header_) widths.push_back(DisplayWidth(name));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) out.append("  ");
      AppendPadded(out, cells[i], widths[i], right_[i]);
    }
    while (out.ends_with(' ')) out.pop_back();
    out.push_back('\n');
  };
  line(header_);
  std::vector<std::string> rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  line(rule);
  for (const auto& row : rows_) line(row);
  return out;
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

std::string GroupDigits(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first = text.starts_with('-') ? 1 : 0;
  for (size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace tarn::app
