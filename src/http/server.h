#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/router.h"
#include "obs/metrics.h"
#include "os/clock.h"

namespace tarn::http {

struct ListenAddress {
  std::string host = "127.0.0.1";  // a numeric IPv4 or IPv6 address; loopback unless told otherwise
  uint16_t port = 0;               // 0: any free one, see Server::port
};

// Contents, not paths (auth::LoadTls reads and checks the files). TLS 1.2 or later.
struct ServerTls {
  std::string certificate_chain_pem;
  std::string private_key_pem;
};

struct ServerLimits {
  size_t max_connections = 4096;  // more are answered 503 and closed
  // Of one IPv4 address or IPv6 /64 net, so that one client cannot shut out the others.
  size_t max_connections_per_address = 1024;
  size_t max_header_bytes = 16 << 10;  // request line and fields; more is 431
  size_t max_header_fields = 100;      // more is 431
  size_t max_pipelined = 16;           // requests of a connection in work; then it is not read
  size_t max_buffered_body_bytes = 256 << 20;  // half-received bodies of all connections; then 503
  int64_t idle_timeout_micros = 60'000'000;    // between requests; then closed
  int64_t header_timeout_micros = 10'000'000;  // first byte to end of header; then 408
  // A body must bring min_body_rate bytes a second over any two neighbouring halves of this time;
  // else 408. That it began fast buys it nothing.
  int64_t body_timeout_micros = 20'000'000;
  uint64_t min_body_rate = 16 << 10;
  int64_t max_body_micros = 300'000'000;      // end of header to end of body; then 408
  int64_t write_timeout_micros = 30'000'000;  // without the client taking a byte; then closed
};

struct ServerOptions {
  std::vector<ListenAddress> listen = {{}};
  std::optional<ServerTls> tls;
  size_t io_threads = 1;
  ServerLimits limits;
};

// An HTTP/1.1 server: keep-alive, pipelining (answers keep the order of the requests), chunked
// bodies both ways, Expect: 100-continue, HEAD, TLS. Refuses what proxies and servers disagree
// about (Content-Length with Transfer-Encoding, two lengths, folded fields, any coding but
// "chunked") with 400/501 and closes. 404, 405, 408, 413, 431 and 503 are answered here.
// Thread-safe.
class Server {
 public:
  // Listens and starts the I/O threads. InvalidArgument for a bad address, certificate or key;
  // Conflict if a port is taken. `clock` and `metrics` must outlive the server.
  static Result<std::unique_ptr<Server>> Create(ServerOptions options, Router router,
                                                const os::Clock& clock, obs::Registry& metrics);
  virtual ~Server() = default;  // Stop(0)

  // Of listen[index], as bound.
  virtual uint16_t port(size_t index = 0) const = 0;

  // Closes the listeners and idle connections, lets requests in work finish until the deadline,
  // then cuts the rest and joins the threads. Returns early when all is done. Idempotent.
  virtual void Stop(int64_t grace_micros) = 0;
};

}  // namespace tarn::http
