#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace tarn::demo {

inline constexpr int kServerCount = 4;

// What happens at one moment at one web server.
enum class HitKind : uint8_t {
  kRequest,    // a well-formed HTTP request
  kBroken,     // raw bytes of a broken or hostile client; see broken.h
  kStrayText,  // a CGI writes a line of its own into the access log
};

struct Hit {
  Timestamp time;  // of the request's start
  HitKind kind = HitKind::kRequest;
  uint8_t server = 0;       // 0 … kServerCount-1
  bool over_ipv6 = false;   // the connection to the web server
  uint8_t broken = 0;       // index for BrokenClientAt
  uint16_t status = 200;    // what the web server is expected to answer
  uint64_t body_bytes = 0;  // back-fill only; live, Apache says
  int64_t micros = 0;       // duration; back-fill only
  const char* method = "GET";
  std::string address;  // the visitor's, as %h
  std::string user;     // empty: not logged in
  std::string target;   // path and query
  std::string referer;  // empty: not sent
  std::string agent;    // empty: not sent
  std::string cookie;   // "visitor.epoch.session"; empty: none
  std::string text;     // kStrayText: the line, without its newline
};

}  // namespace tarn::demo
