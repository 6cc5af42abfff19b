#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/settings.h"
#include "agent/transport.h"
#include "os/clock.h"

struct ssl_ctx_st;

namespace tarn::agent {

struct TlsSettings {
  std::string ca_file;  // empty: the system's authorities
  bool insecure = false;
};

// The parts of a response head; InvalidArgument if it is none. For the parser's tests.
struct ResponseHead {
  int status = 0;
  int64_t content_length = -1;  // -1: not stated
  bool chunked = false;
  bool close = false;
  int64_t retry_after_seconds = -1;
};
Result<ResponseHead> ParseResponseHead(std::string_view head);

// Whether certificates can be read from the file; empty, the system's, is fine.
Status CheckAuthorities(const std::string& file);

// HTTP/1.1 POST with keep-alive over a plain socket or OpenSSL (TLS 1.2 and later, certificate and
// host name checked). After a failure the next call connects to the next server of the list. A kept
// connection that the server closed is opened again once within a call.
//
// Limits: connect and handshake 10 s, a whole call 30 s without progress, answers 64 KiB of header
// and 1 MiB of body. Resolving a name may block as long as the system's resolver does.
class SocketTransport final : public Transport {
 public:
  static constexpr int64_t kConnectMicros = 10'000'000;
  static constexpr int64_t kSilenceMicros = 30'000'000;
  static constexpr size_t kMaxHeadBytes = 64 << 10;
  static constexpr size_t kMaxBodyBytes = 1 << 20;

  // InvalidArgument if the CA file cannot be used, as CheckAuthorities says.
  static Result<std::unique_ptr<SocketTransport>> Make(std::vector<Url> servers,
                                                       const TlsSettings& tls,
                                                       const os::Clock& clock);
  ~SocketTransport() override;

  Result<HttpResponse> Post(std::string_view path, const HttpHeaders& headers,
                            std::string_view body) override;
  void Cancel() override { cancelled_ = true; }

 private:
  class Connection;
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const;
  };

  SocketTransport(std::vector<Url> servers, const os::Clock& clock);
  Status Connect();
  Result<HttpResponse> Exchange(std::string_view head, std::string_view body);
  // Takes the head off `bytes`, which begins with what is there already.
  Result<ResponseHead> ReceiveHead(std::string& bytes);
  Result<HttpResponse> ReceiveBody(const ResponseHead& head, std::string& bytes);

  const std::vector<Url> servers_;
  const os::Clock& clock_;
  std::unique_ptr<ssl_ctx_st, FreeContext> tls_;
  bool verify_ = true;
  std::unique_ptr<Connection> connection_;
  size_t server_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace tarn::agent
