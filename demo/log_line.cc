#include "demo/log_line.h"

#include <array>
#include <charconv>

#include "base/time.h"
#include "demo/broken.h"

namespace tarn::demo {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void AppendInt(std::string& out, uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end.ptr);
}
void AppendTwo(std::string& out, int value) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

void AppendTime(std::string& out, Timestamp time) {
  const Civil civil = CivilFromTimestamp(time);
  out += '[';
  AppendTwo(out, civil.day);
  out += '/';
  out += kMonths[static_cast<size_t>(civil.month - 1)];
  out += '/';
  AppendInt(out, static_cast<uint64_t>(civil.year));
  for (const int part : {civil.hour, civil.minute, civil.second}) {
    out += ':';
    AppendTwo(out, part);
  }
  out += " +0000]";
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += " \"";
  if (text.empty()) {
    out += '-';
  } else {
    AppendEscaped(out, text);
  }
  out += '"';
}

void AppendRequest(std::string& out, const Hit& hit) {
  out += " \"";
  if (hit.kind == HitKind::kBroken) {
    out += LoggedRequest(BrokenClientAt(hit.broken));
  } else {
    out += hit.method;
    out += ' ';
    AppendEscaped(out, hit.target);
    out += " HTTP/1.1";
  }
  out += '"';
}

}  // namespace

void AppendEscaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte > 0x7e) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
}

void AppendLogLine(std::string& out, const Hit& hit) {
  if (hit.kind == HitKind::kStrayText) {
    out += hit.text;
    out += '\n';
    return;
  }
  out += hit.address;
  out += " - ";
  out += hit.user.empty() ? std::string_view("-") : std::string_view(hit.user);
  out += ' ';
  AppendTime(out, hit.time);
  AppendRequest(out, hit);
  out += ' ';
  AppendInt(out, hit.status);
  out += ' ';
  if (hit.body_bytes == 0) {
    out += '-';
  } else {
    AppendInt(out, hit.body_bytes);
  }
  if (hit.kind == HitKind::kBroken) {
    const std::string_view agent = BrokenClientAt(hit.broken).agent;
    out += agent.empty() ? " \"\" \"" : " \"-\" \"";  // an empty agent comes with an empty referer
    out += agent;
    out += '"';
  } else {
    AppendQuoted(out, hit.referer);
    AppendQuoted(out, hit.agent);
  }
  AppendQuoted(out, hit.cookie);
  out += ' ';
  AppendInt(out, static_cast<uint64_t>(hit.micros));
  out += '\n';
}

}  // namespace tarn::demo
