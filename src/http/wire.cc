#include "http/wire.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace tarn::http {
namespace {

void AppendNumber(std::string& out, uint64_t value, int base = 10) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, base).ptr;
  out.append(text.data(), static_cast<size_t>(end - text.data()));
}

void AppendSafe(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back((byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c);
  }
}

bool HasNoBody(int status) { return status == 204 || status == 304; }

}  // namespace

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  AppendSafe(out, name);
  out += ": ";
  AppendSafe(out, value);
  out += "\r\n";
}

void AppendResponse(std::string& out, const Response& response, const ResponseStyle& style,
                    std::string_view date_line) {
  out.reserve(out.size() + 256 + (style.framing == Framing::kLength ? response.body.size() : 0));
  out += "HTTP/1.1 ";
  AppendNumber(out, static_cast<uint64_t>(response.status));
  out += ' ';
  out += ReasonPhrase(response.status);
  out += "\r\n";
  out += date_line;
  if (!response.content_type.empty() && !HasNoBody(response.status))
    AppendField(out, "Content-Type", response.content_type);
  for (size_t i = 0; i < response.headers.size(); ++i) {
    const auto [name, value] = response.headers.at(i);
    AppendField(out, name, value);
  }
  if (style.close) out += "Connection: close\r\n";
  if (style.keep_alive && !style.close) out += "Connection: keep-alive\r\n";
  if (style.framing == Framing::kChunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (style.framing != Framing::kUntilClose && !HasNoBody(response.status)) {
    out += "Content-Length: ";
    AppendNumber(out, response.body.size());
    out += "\r\n";
  }
  out += "\r\n";
  if (style.framing == Framing::kLength && !HasNoBody(response.status)) out += response.body;
}

void AppendChunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  AppendNumber(out, bytes.size(), 16);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

std::string DateLine(Timestamp now) {
  static constexpr std::array<std::string_view, 7> kDays = {"Thu", "Fri", "Sat", "Sun",
                                                            "Mon", "Tue", "Wed"};
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil civil = CivilFromTimestamp(now);
  const int64_t day = FloorDiv(now.micros, kMicrosPerDay);
  const int64_t weekday = day - FloorDiv(day, 7) * 7;
  return fmt::format("Date: {}, {:02} {} {:04} {:02}:{:02}:{:02} GMT\r\n",
                     kDays.at(static_cast<size_t>(weekday)), civil.day,
                     kMonths.at(static_cast<size_t>(civil.month - 1)), civil.year, civil.hour,
                     civil.minute, civil.second);
}

}  // namespace tarn::http
