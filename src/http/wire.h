#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace tarn::http {

enum class Framing : uint8_t {
  kLength,      // Content-Length and the body
  kHeadOnly,    // Content-Length of a body that is not sent
  kChunked,     // chunks follow
  kUntilClose,  // bytes follow, the end of the connection ends them
};

struct ResponseStyle {
  Framing framing = Framing::kLength;
  bool close = false;       // "Connection: close"
  bool keep_alive = false;  // "Connection: keep-alive", which HTTP/1.0 wants to hear
};

// Header and, for kLength, body. Header text that could end its line early is made harmless.
void AppendResponse(std::string& out, const Response& response, const ResponseStyle& style,
                    std::string_view date_line);
// One chunk; nothing for empty bytes, which would end the body.
void AppendChunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "Date: Tue, 24 Nov 2026 14:20:00 GMT\r\n" (RFC 9110 section 5.6.7).
std::string DateLine(Timestamp now);

// Appends "name: value\r\n", control characters in either replaced by spaces.
void AppendField(std::string& out, std::string_view name, std::string_view value);

}  // namespace tarn::http
