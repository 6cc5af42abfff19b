#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"

namespace tarn::http {
namespace {

std::string OpensslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown reason";
  if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
    return "the other side does not speak TLS, or only an old version";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

int IntSize(size_t size) {
  return static_cast<int>(std::min<size_t>(size, std::numeric_limits<int>::max()));
}

// A BIO over send and recv, because OpenSSL's own writes without MSG_NOSIGNAL.
int FdOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int BioWrite(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const IoOutcome outcome = SendSome(FdOf(bio), {bytes, static_cast<size_t>(size)});
  if (outcome.kind == IoOutcome::Kind::kBytes) return static_cast<int>(outcome.bytes);
  if (outcome.kind == IoOutcome::Kind::kWouldBlock) BIO_set_retry_write(bio);
  return -1;
}

int BioRead(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  const IoOutcome outcome = ReceiveSome(FdOf(bio), buffer, static_cast<size_t>(size));
  if (outcome.kind == IoOutcome::Kind::kBytes) return static_cast<int>(outcome.bytes);
  if (outcome.kind == IoOutcome::Kind::kWouldBlock) BIO_set_retry_read(bio);
  return outcome.kind == IoOutcome::Kind::kEnd ? 0 : -1;
}

long BioControl(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tarn socket");
    TARN_CHECK(made != nullptr);
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

ssl_st* NewStream(const TlsContext& context, int fd) {
  SSL* ssl = SSL_new(context.get());
  BIO* bio = BIO_new(SocketMethod());
  TARN_CHECK(ssl != nullptr && bio != nullptr);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the slot that OpenSSL offers is a pointer.
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return ssl;
}

SSL_CTX* NewContext(const SSL_METHOD* method) {
  SSL_CTX* context = SSL_CTX_new(method);
  TARN_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  return context;
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;
struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using X509Ptr = std::unique_ptr<X509, FreeX509>;
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;

BioPtr Memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), IntSize(text.size())));
}

// An encrypted key must fail, not ask a terminal for its password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) { return -1; }

Status UseCertificates(SSL_CTX* context, const std::string& chain_pem) {
  const BioPtr bio = Memory(chain_pem);
  const X509Ptr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPassword, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return InvalidArgument("TLS certificate: " + OpensslError());
  for (;;) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (!next) break;
    if (SSL_CTX_add0_chain_cert(context, next.get()) != 1)
      return InvalidArgument("TLS certificate chain: " + OpensslError());
    // add0 took it over.
    [[maybe_unused]] X509* taken = next.release();
  }
  ERR_clear_error();
  return {};
}

}  // namespace

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::unique_ptr<TlsContext>> TlsContext::ForServer(const std::string& certificate_chain_pem,
                                                          const std::string& private_key_pem) {
  auto made = std::unique_ptr<TlsContext>(new TlsContext(NewContext(TLS_server_method())));
  TARN_TRY(UseCertificates(made->get(), certificate_chain_pem));
  const BioPtr bio = Memory(private_key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (!key) return InvalidArgument("TLS private key: " + OpensslError());
  if (SSL_CTX_use_PrivateKey(made->get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(made->get()) != 1) {
    return InvalidArgument("TLS private key does not belong to the certificate: " + OpensslError());
  }
  return made;
}

Result<std::unique_ptr<TlsContext>> TlsContext::ForClient(const std::string& ca_pem) {
  auto made = std::unique_ptr<TlsContext>(new TlsContext(NewContext(TLS_client_method())));
  SSL_CTX_set_verify(made->get(), SSL_VERIFY_PEER, nullptr);
  if (ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(made->get());
    return made;
  }
  const BioPtr bio = Memory(ca_pem);
  X509_STORE* store = SSL_CTX_get_cert_store(made->get());
  // A certificate that is named is trusted, also if it is no root: the server's own, say.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  int count = 0;
  for (;; ++count) {
    const X509Ptr authority(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (!authority) break;
    X509_STORE_add_cert(store, authority.get());
  }
  if (count == 0) return InvalidArgument("TLS authorities: " + OpensslError());
  ERR_clear_error();
  return made;
}

namespace {

int VerifyPinned(X509_STORE_CTX* verification, void* pinned_sha256) {
  const X509* shown = X509_STORE_CTX_get0_cert(verification);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const bool same = shown != nullptr &&
                    X509_digest(shown, EVP_sha256(), digest.data(), &size) == 1 &&
                    std::string_view(reinterpret_cast<const char*>(digest.data()), size) ==
                        *static_cast<const std::string*>(pinned_sha256);
  X509_STORE_CTX_set_error(verification, same ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return same ? 1 : 0;
}

}  // namespace

std::unique_ptr<TlsContext> TlsContext::ForPinned(std::string certificate_sha256) {
  auto made = std::unique_ptr<TlsContext>(new TlsContext(NewContext(TLS_client_method())));
  made->pinned_sha256_ = std::move(certificate_sha256);
  SSL_CTX_set_verify(made->get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(made->get(), VerifyPinned, &made->pinned_sha256_);
  return made;
}

std::unique_ptr<TlsStream> TlsStream::Accept(const TlsContext& context, int fd) {
  SSL* ssl = NewStream(context, fd);
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsStream>(new TlsStream(ssl));
}

Result<std::unique_ptr<TlsStream>> TlsStream::Connect(const TlsContext& context, int fd,
                                                      const std::string& host) {
  SSL* ssl = NewStream(context, fd);
  auto stream = std::unique_ptr<TlsStream>(new TlsStream(ssl));
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1) return stream;
  ERR_clear_error();
  // What OpenSSL's macro SSL_set_tlsext_host_name does, without its C cast.
  std::string name = host;
  if (SSL_set1_host(ssl, host.c_str()) != 1 ||
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) != 1)
    return InvalidArgument("host name '" + host + "': " + OpensslError());
  return stream;
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

IoOutcome TlsStream::Outcome(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {IoOutcome::Kind::kWouldBlock, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoOutcome::Kind::kEnd, 0};
    default:
      met_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      last_error_ = certificate_refused()
                        ? X509_verify_cert_error_string(SSL_get_verify_result(ssl_))
                        : OpensslError();
      return {IoOutcome::Kind::kBroken, 0};
  }
}

IoOutcome TlsStream::Read(char* buffer, size_t size) {
  ERR_clear_error();
  const int result = SSL_read(ssl_, buffer, IntSize(size));
  if (result > 0) return {IoOutcome::Kind::kBytes, static_cast<size_t>(result)};
  return Outcome(result);
}

IoOutcome TlsStream::Write(std::string_view bytes) {
  ERR_clear_error();
  const int result = SSL_write(ssl_, bytes.data(), IntSize(bytes.size()));
  if (result > 0) return {IoOutcome::Kind::kBytes, static_cast<size_t>(result)};
  return Outcome(result);
}

bool TlsStream::wants_write() const { return SSL_want_write(ssl_); }
bool TlsStream::has_pending() const { return SSL_pending(ssl_) > 0; }
bool TlsStream::certificate_refused() const { return SSL_get_verify_result(ssl_) != X509_V_OK; }
std::string TlsStream::last_error() const { return last_error_; }

void TlsStream::Shutdown() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_) == 1) SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace tarn::http
