#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "demo/rng.h"

namespace tarn::demo {

// Clients that speak no proper HTTP, or hostile HTTP. What Apache httpd 2.4 answers was measured.
struct BrokenClient {
  std::string_view name;
  int status;               // what Apache logs; 0: it logs nothing
  bool answered = true;     // false: HTTP/0.9, the answer has no status line
  bool slow = false;        // sends half a request and waits for the server's time-out
  std::string (*bytes)();   // what is sent
  std::string_view logged;  // the request as the log shows it (%r), for the back-fill;
                            // empty: see LoggedRequest
  std::string_view agent;   // as the log shows it
};

uint32_t BrokenClientCount();
const BrokenClient& BrokenClientAt(uint32_t index);

// %r as the log shows it, long ones included.
std::string LoggedRequest(const BrokenClient& client);

// A line that a CGI wrote into the access log by mistake: no newline in it, and no parser of
// kLogFormat accepts it.
std::string StrayText(Rng& rng);

}  // namespace tarn::demo
