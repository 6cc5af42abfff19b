#include "demo/broken.h"

#include <fmt/format.h>

#include <array>

namespace tarn::demo {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kEnd = "Host: www.shop.example\r\nConnection: close\r\n\r\n";
constexpr std::string_view kEndAgent =
    "Host: www.shop.example\r\nUser-Agent: probe/1\r\nConnection: close\r\n\r\n";

std::string Request(std::string_view line, std::string_view headers = kEnd) {
  return fmt::format("{}\r\n{}", line, headers);
}

std::string TlsHello() {
  // Record header, ClientHello of version 1.2 with noise for its random; a newline in it, as there
  // is in most, or Apache would wait for one.
  std::string bytes = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s;
  for (int i = 0; i < 64; ++i) bytes += static_cast<char>((i * 37 + 11) % 251);
  return bytes + "\r\n\r\n";
}
std::string RemoteDesktop() {
  return "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00\n\n"s;
}
std::string LongUrl(size_t size) {
  return fmt::format("GET /{}", std::string(size - 1, 'a')) + " HTTP/1.1\r\n" + std::string(kEnd);
}

constexpr std::string_view kQuoteAgent = R"(A \"B\" \\C\\ tab\there)";

// What Apache logs for the two long ones is made when needed, see LoggedRequest.
const std::array kClients = std::to_array<BrokenClient>({
    {"tls", 400, true, false, TlsHello, R"(\x16\x03\x01\x02)", "-"},
    {"rdp", 400, true, false, RemoteDesktop, R"(\x03)", "-"},
    {"method", 501, true, false, [] { return Request("FOO /x HTTP/1.1", kEndAgent); },
     "FOO /x HTTP/1.1", "probe/1"},
    {"token", 400, true, false, [] { return Request("G@T /x HTTP/1.1", kEndAgent); },
     "G@T /x HTTP/1.1", "-"},
    {"url9000", 414, true, false, [] { return LongUrl(9000); }, "", "-"},
    {"url8100", 403, true, false, [] { return LongUrl(8100); }, "", "-"},
    {"nul", 400, true, false, [] { return "GET /a\0b HTTP/1.1\r\n"s + std::string(kEnd); },
     "GET /a", "-"},
    {"quotes", 404, true, false, [] { return Request(R"(GET /q"uo"te\back HTTP/1.1)"); },
     R"(GET /q\"uo\"te\\back HTTP/1.1)", "-"},
    {"agent", 404, true, false,
     [] {
       return Request("GET /agent HTTP/1.1",
                      "User-Agent: A \"B\" \\C\\ tab\there\r\n" + std::string(kEnd));
     },
     "GET /agent HTTP/1.1", kQuoteAgent},
    {"utf8", 404, true, false,
     [] {
       return Request("GET /caf\xc3\xa9 HTTP/1.1",
                      "User-Agent: caf\xc3\xa9 \xf0\x9f\x98\x80 \xff\r\n" + std::string(kEnd));
     },
     R"(GET /caf\xc3\xa9 HTTP/1.1)", R"(caf\xc3\xa9 \xf0\x9f\x98\x80 \xff)"},
    {"spaces", 400, true, false, [] { return Request("GET /a b c HTTP/1.1"); }, "GET /a b", "-"},
    {"control", 400, true, false,
     [] {
       return Request(
           "GET /a\x01\x7f"
           "b HTTP/1.1");
     },
     R"(GET /a\x01\x7fb HTTP/1.1)", "-"},
    {"bare_lf", 400, true, false, [] { return "GET /lf HTTP/1.1\nHost: a\n\n"s; },
     R"(GET /lf HTTP/1.1\n)", "-"},
    {"http99", 200, true, false, [] { return Request("GET / HTTP/9.9"); }, "GET / HTTP/9.9", "-"},
    {"http09", 200, false, false, [] { return "GET /\r\n"s; }, "GET /", "-"},
    {"http10", 200, true, false, [] { return "GET / HTTP/1.0\r\n\r\n"s; }, "GET / HTTP/1.0", "-"},
    {"pri", 400, true, false, [] { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s; }, "PRI * HTTP/2.0",
     "-"},
    {"connect", 405, true, false, [] { return Request("CONNECT mx.example:25 HTTP/1.1"); },
     "CONNECT mx.example:25 HTTP/1.1", "-"},
    {"no_host", 400, true, false, [] { return "GET / HTTP/1.1\r\n\r\n"s; }, "GET / HTTP/1.1", "-"},
    {"empty_headers", 404, true, false,
     [] { return Request("GET /e HTTP/1.1", "Referer:\r\nUser-Agent:\r\n" + std::string(kEnd)); },
     "GET /e HTTP/1.1", ""},
    {"traversal", 400, true, false,
     [] { return Request("GET /cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd HTTP/1.1", kEndAgent); },
     "GET /cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd HTTP/1.1", "probe/1"},
    {"slow", 408, true, true, [] { return "GET /slow HTTP/1.1\r\nHost: a\r\n"s; },
     "GET /slow HTTP/1.1", "-"},
});

}  // namespace

uint32_t BrokenClientCount() { return static_cast<uint32_t>(kClients.size()); }
const BrokenClient& BrokenClientAt(uint32_t index) { return kClients[index]; }

std::string LoggedRequest(const BrokenClient& client) {
  if (!client.logged.empty()) return std::string(client.logged);
  // LimitRequestLine is 8,190: the longer one is cut there and loses its protocol.
  return client.status == 414 ? "GET /" + std::string(8186, 'a')
                              : "GET /" + std::string(8099, 'a') + " HTTP/1.1";
}

std::string StrayText(Rng& rng) {
  switch (rng.Below(6)) {
    case 0:
      return fmt::format("Use of uninitialized value $qty in addition (+) at cart.pl line {}.",
                         rng.Between(10, 900));
    case 1:
      return fmt::format("PHP Warning:  Division by zero in /srv/shop/price.php on line {}",
                         rng.Between(10, 900));
    case 2:
      return fmt::format("198.18.{}.{} - - [2", rng.Below(256), rng.Below(256));
    case 3:
      return fmt::format("*** stock feed: {} items, \"Tarn tent\" out of stock ***",
                         rng.Below(1000));
    case 4:
      return "\xff\xfe\x00 cart "s + std::to_string(rng.Below(1000)) + " restored \xc3";
    default:
      return fmt::format("{{\"level\":\"warn\",\"msg\":\"payment retry\",\"order\":{}}}",
                         rng.Below(100000));
  }
}

}  // namespace tarn::demo
