#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace tarn::http {

struct ClientTls {
  // PEM of the authorities (or the servers' own certificates) to trust; empty: those of the system.
  // The server's name or address is always verified.
  std::string ca_pem;
  // If set, the SHA-256 of the one certificate to trust, instead of all that: for who knows the
  // server by other means.
  std::string pinned_sha256;
};

struct ClientOptions {
  std::string host = "127.0.0.1";  // name or numeric address
  uint16_t port = 80;
  std::optional<ClientTls> tls;
  std::string authorization;                     // value of that header; empty: not sent
  int64_t connect_timeout_micros = 5'000'000;    // name lookup apart
  int64_t io_timeout_micros = 30'000'000;        // without a byte coming or going
  size_t max_response_bytes = size_t{64} << 20;  // of a body kept whole; more is ResourceExhausted
  size_t max_header_bytes = 16 << 10;
};

// "http://host:port" or "https://host" to host, port and whether TLS is wanted; nothing but '/' may
// follow. InvalidArgument says what is wrong.
Result<ClientOptions> ParseEndpoint(std::string_view url);

struct ClientRequest {
  Method method = Method::kGet;
  std::string target = "/";
  std::string content_type;  // empty: none
  std::string body;
  Headers headers;
};

// A blocking HTTP/1.1 client of one server that keeps its connection. Thread-confined. Errors:
// Unavailable (cannot connect, connection lost), DeadlineExceeded, Unauthenticated (certificate not
// trusted), DataLoss (not HTTP, body cut short), ResourceExhausted. A status of 400 or more is an
// answer, not an error. A kept connection that the server has closed is replaced; one that it
// closes just then only if the method is idempotent (not POST, PATCH), else that is Unavailable.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  Result<Response> Send(const ClientRequest& request);

  // The body goes to `sink` as it comes and Response::body stays empty; of any length. An error of
  // the sink ends the transfer and is returned. Not for status ≥ 400: that body is kept whole.
  using Sink = std::function<Status(std::string_view bytes)>;
  Result<Response> SendStreaming(const ClientRequest& request, const Sink& sink);

 private:
  class Transport;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tarn::http
