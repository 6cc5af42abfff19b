#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/socket.h"

struct ssl_ctx_st;
struct ssl_st;

namespace tarn::http {

// OpenSSL's context: TLS 1.2 and later, no compression, no renegotiation. Thread-safe once made.
class TlsContext {
 public:
  // InvalidArgument if either is not PEM or the key is not the certificate's.
  static Result<std::unique_ptr<TlsContext>> ForServer(const std::string& certificate_chain_pem,
                                                       const std::string& private_key_pem);
  // Trusts what is in `ca_pem`, authorities or servers' own certificates, or the system's
  // authorities if that is empty.
  static Result<std::unique_ptr<TlsContext>> ForClient(const std::string& ca_pem);
  // Trusts the one certificate with this SHA-256 (32 bytes, of its DER form) and no other, whoever
  // signed it, whatever name and time it is for.
  static std::unique_ptr<TlsContext> ForPinned(std::string certificate_sha256);
  ~TlsContext();

  ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
  std::string pinned_sha256_;
};

// TLS over a non-blocking socket that it does not own. The handshake happens within the first reads
// and writes. Thread-confined.
class TlsStream {
 public:
  static std::unique_ptr<TlsStream> Accept(const TlsContext& context, int fd);
  // Verifies that the certificate is `host`'s, a name or a numeric address.
  static Result<std::unique_ptr<TlsStream>> Connect(const TlsContext& context, int fd,
                                                    const std::string& host);
  ~TlsStream();

  IoOutcome Read(char* buffer, size_t size);
  IoOutcome Write(std::string_view bytes);
  // After kWouldBlock: true if the socket must become writable first.
  bool wants_write() const;
  // Bytes that were decrypted and not read: the socket will not announce them.
  bool has_pending() const;
  // Sends close_notify, without waiting for the other's.
  void Shutdown();
  // The client's first bytes were HTTP without TLS.
  bool met_plain_http() const { return met_plain_http_; }
  // Why the last operation was kBroken; of a refused certificate, the reason.
  std::string last_error() const;
  bool certificate_refused() const;

 private:
  explicit TlsStream(ssl_st* ssl) : ssl_(ssl) {}
  IoOutcome Outcome(int result);
  ssl_st* const ssl_;
  std::string last_error_;
  bool met_plain_http_ = false;
};

}  // namespace tarn::http
