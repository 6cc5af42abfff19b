#include "source/access_log/decode.h"

#include "base/text.h"

namespace tarn::access_log {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// `count` hex digits at the front of `text`; -1 if they are not there.
int HexValue(std::string_view text, size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void AppendUtf8(uint32_t point, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6);
    put(0x80 | (point & 63));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  } else {
    put(0xF0 | point >> 18);
    put(0x80 | (point >> 12 & 63));
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  }
}

// \uXXXX with surrogate pairs; a lone surrogate is U+FFFD. `rest` begins behind the 'u'. Returns
// the bytes used, 0 if these are no four hex digits.
size_t AppendUnicodeEscape(std::string_view rest, std::string& out) {
  const int unit = HexValue(rest, 4);
  if (unit < 0) return 0;
  auto point = static_cast<uint32_t>(unit);
  if (point < 0xD800 || point > 0xDFFF) {
    AppendUtf8(point, out);
    return 4;
  }
  if (point < 0xDC00 && rest.size() >= 10 && rest[4] == '\\' && rest[5] == 'u') {
    const int low = HexValue(rest.substr(6), 4);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      AppendUtf8(0x10000 + ((point - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00), out);
      return 10;
    }
  }
  AppendUtf8(0xFFFD, out);
  return 4;
}

char PlainEscape(char c, bool json) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return json ? '\0' : '\v';
    case '"':
    case '\\':
      return c;
    case '/':
      return json ? c : '\0';
    default:
      return '\0';
  }
}

void Unescape(std::string_view text, bool json, std::string& out) {
  while (!text.empty()) {
    const size_t slash = std::min(text.find('\\'), text.size());
    out.append(text.substr(0, slash));
    text.remove_prefix(slash);
    if (text.size() < 2) {
      out.append(text);
      return;
    }
    const char c = text[1];
    if (const char plain = PlainEscape(c, json); plain != '\0') {
      out.push_back(plain);
      text.remove_prefix(2);
      continue;
    }
    size_t used = 0;
    if (c == 'x') {
      const int byte = HexValue(text.substr(2), 2);
      if (byte >= 0) {
        out.push_back(static_cast<char>(byte));
        used = 2;
      }
    } else if (c == 'u' && json) {
      used = AppendUnicodeEscape(text.substr(2), out);
    }
    if (used == 0) out.append(text.substr(0, 2));
    text.remove_prefix(2 + used);
  }
}

}  // namespace

void AppendDecoded(const Slot& slot, bool ascii, std::string& out) {
  if (slot.encoding == Encoding::kPlain && ascii) {
    out.append(slot.data, slot.size);
    return;
  }
  const size_t begin = out.size();
  switch (slot.encoding) {
    case Encoding::kApache:
      Unescape(slot.text(), false, out);
      break;
    case Encoding::kJson:
      Unescape(slot.text(), true, out);
      break;
    case Encoding::kCsv:
      for (size_t i = 0; i < slot.size; ++i) {
        out.push_back(slot.data[i]);
        if (slot.data[i] == '"' && i + 1 < slot.size && slot.data[i + 1] == '"') ++i;
      }
      break;
    default:
      out.append(slot.text());
  }
  const std::string_view decoded = std::string_view(out).substr(begin);
  if (IsValidUtf8(decoded)) return;
  const std::string repaired = ReplaceInvalidUtf8(decoded);
  out.resize(begin);
  out.append(repaired);
}

}  // namespace tarn::access_log
