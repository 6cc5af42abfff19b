#include "agent/socket_transport.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include "base/text.h"

namespace tarn::agent {
namespace {

constexpr int kPollMillis = 200;  // how soon Cancel is seen while waiting
constexpr size_t kReadBytes = 16 << 10;

std::string Reason(int error) { return std::generic_category().message(error); }

std::string TlsReason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
    return "the server does not speak TLS at this port; is http:// meant?";
  }
  char text[256];
  ERR_error_string_n(code, text, sizeof(text));
  return code == 0 ? "connection closed" : text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

// One connection; every wait is bounded and sees Cancel.
class SocketTransport::Connection {
 public:
  Connection(const os::Clock& clock, const std::atomic<bool>& cancelled)
      : clock_(clock), cancelled_(cancelled) {}
  ~Connection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Status Open(const Url& url) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int code = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &list);
    if (code != 0) {
      return Unavailable(fmt::format("cannot resolve {}: {}", url.host, gai_strerror(code)));
    }
    const std::unique_ptr<addrinfo, FreeAddresses> addresses(list);
    Status last = Unavailable(fmt::format("{} has no address", url.host));
    for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
      last = OpenAddress(*a, url);
      if (last.ok() || last.error().code() == Code::kCancelled) return last;
    }
    return last;
  }

  Status Handshake(ssl_ctx_st* context, const std::string& host, bool verify) {
    ssl_ = SSL_new(context);
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd_) != 1) return Internal("cannot set up TLS");
    SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl_);
    const bool address = X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
    if (!address) {  // the macro for this has an old-style cast
      SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(host.c_str()));
    }
    if (verify && !address && SSL_set1_host(ssl_, host.c_str()) != 1) {
      return Internal("cannot set up the host name check");
    }
    const int64_t deadline = clock_.MonotonicMicros() + kConnectMicros;
    for (;;) {
      const int code = SSL_connect(ssl_);
      if (code == 1) return {};
      const int why = SSL_get_error(ssl_, code);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        const long verdict = SSL_get_verify_result(ssl_);
        if (verdict != X509_V_OK) {
          return Unauthenticated(fmt::format("the certificate of {} is refused: {}", host,
                                             X509_verify_cert_error_string(verdict)));
        }
        return Unavailable(fmt::format("TLS with {}: {}", host, TlsReason()));
      }
      TARN_TRY(Wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline));
    }
  }

  Status Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const int64_t deadline = clock_.MonotonicMicros() + kSilenceMicros;
      ssize_t count = 0;
      short events = POLLOUT;
      if (ssl_ != nullptr) {
        const int part = static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20));
        count = SSL_write(ssl_, bytes.data(), part);
        if (count <= 0) TARN_TRY(AfterTls(static_cast<int>(count), events));
      } else {
        count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
          return Unavailable("cannot send: " + Reason(errno));
        }
      }
      if (count > 0) {
        bytes.remove_prefix(static_cast<size_t>(count));
      } else {
        TARN_TRY(Wait(events, deadline));
      }
    }
    return {};
  }

  // Appends what has come; 0 at the end of the stream.
  Result<size_t> Receive(std::string& into) {
    const int64_t deadline = clock_.MonotonicMicros() + kSilenceMicros;
    char buffer[kReadBytes];
    for (;;) {
      short events = POLLIN;
      TARN_ASSIGN_OR_RETURN(const auto count, ReceiveSome(buffer, sizeof(buffer), events));
      if (count) {
        into.append(buffer, *count);
        return *count;
      }
      TARN_TRY(Wait(events, deadline));
    }
  }

 private:
  // What is there already: bytes read, 0 at the end of the stream, nothing if `events` must happen
  // first.
  Result<std::optional<size_t>> ReceiveSome(char* buffer, size_t size, short& events) {
    if (ssl_ != nullptr) {
      const int count = SSL_read(ssl_, buffer, static_cast<int>(size));
      if (count > 0) return std::optional(static_cast<size_t>(count));
      if (SSL_get_error(ssl_, count) == SSL_ERROR_ZERO_RETURN) return std::optional(size_t{0});
      TARN_TRY(AfterTls(count, events));
      return std::optional<size_t>();
    }
    const ssize_t count = recv(fd_, buffer, size, 0);
    if (count >= 0) return std::optional(static_cast<size_t>(count));
    if (errno == EAGAIN || errno == EINTR) return std::optional<size_t>();
    return Unavailable("cannot receive: " + Reason(errno));
  }

  Status OpenAddress(const addrinfo& address, const Url& url) {
    if (fd_ >= 0) close(fd_);
    fd_ = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Unavailable("cannot open a socket: " + Reason(errno));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    const auto refused = [&](int error) {
      return Unavailable(
          fmt::format("cannot connect to {}:{}: {}", url.host, url.port, Reason(error)));
    };
    if (connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return refused(errno);
    TARN_TRY(Wait(POLLOUT, clock_.MonotonicMicros() + kConnectMicros));
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return refused(error);
    return {};
  }

  Status AfterTls(int code, short& events) {
    const int why = SSL_get_error(ssl_, code);
    if (why == SSL_ERROR_WANT_READ) {
      events = POLLIN;
    } else if (why == SSL_ERROR_WANT_WRITE) {
      events = POLLOUT;
    } else {
      return Unavailable("TLS: " + TlsReason());
    }
    return {};
  }

  Status Wait(short events, int64_t deadline) {
    for (;;) {
      if (cancelled_) return Cancelled("the agent is stopping");
      pollfd entry{fd_, events, 0};
      const int count = poll(&entry, 1, kPollMillis);
      if (count > 0) return {};
      if (count < 0 && errno != EINTR) return Unavailable("poll: " + Reason(errno));
      if (clock_.MonotonicMicros() >= deadline) return DeadlineExceeded("no answer in time");
    }
  }

  const os::Clock& clock_;
  const std::atomic<bool>& cancelled_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
};

namespace {

Status LoadAuthorities(SSL_CTX* context, const std::string& file) {
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) == 1) return {};
  const unsigned long code = ERR_get_error();  // the first is the cause
  ERR_clear_error();
  const char* known = ERR_reason_error_string(code);
  return InvalidArgument(fmt::format("no PEM certificate can be read from '{}': {}", file,
                                     ERR_SYSTEM_ERROR(code) ? Reason(ERR_GET_REASON(code))
                                     : known != nullptr     ? known
                                                            : "it holds none"));
}

}  // namespace

Status CheckAuthorities(const std::string& file) {
  if (file.empty()) return {};
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             &SSL_CTX_free);
  if (context == nullptr) return Internal("cannot set up TLS: " + TlsReason());
  return LoadAuthorities(context.get(), file);
}

void SocketTransport::FreeContext::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

SocketTransport::SocketTransport(std::vector<Url> servers, const os::Clock& clock)
    : servers_(std::move(servers)), clock_(clock) {}
SocketTransport::~SocketTransport() = default;

Result<std::unique_ptr<SocketTransport>> SocketTransport::Make(std::vector<Url> servers,
                                                               const TlsSettings& tls,
                                                               const os::Clock& clock) {
  TARN_CHECK(!servers.empty());
  std::unique_ptr<SocketTransport> transport(new SocketTransport(std::move(servers), clock));
  transport->verify_ = !tls.insecure;
  transport->tls_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = transport->tls_.get();
  if (context == nullptr) return Internal("cannot set up TLS: " + TlsReason());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, tls.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  // The server's own certificate may be named as well as the authority that signed it.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  if (tls.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else {
    TARN_TRY(LoadAuthorities(context, tls.ca_file));
  }
  return transport;
}

Status SocketTransport::Connect() {
  const Url& url = servers_[server_];
  auto connection = std::make_unique<Connection>(clock_, cancelled_);
  TARN_TRY(connection->Open(url));
  if (url.tls) TARN_TRY(connection->Handshake(tls_.get(), url.host, verify_));
  connection_ = std::move(connection);
  return {};
}

Result<HttpResponse> SocketTransport::Post(std::string_view path, const HttpHeaders& headers,
                                           std::string_view body) {
  const auto attempt = [&]() -> Result<HttpResponse> {
    if (!connection_) TARN_TRY(Connect());
    const Url& url = servers_[server_];
    const bool v6 = url.host.find(':') != std::string::npos;
    std::string head =
        fmt::format("POST {} HTTP/1.1\r\nHost: {}{}{}:{}\r\nContent-Length: {}\r\n", path,
                    v6 ? "[" : "", url.host, v6 ? "]" : "", url.port, body.size());
    for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
    head += "\r\n";
    return Exchange(head, body);
  };
  if (cancelled_) return Cancelled("the agent is stopping");
  const bool kept = connection_ != nullptr;
  auto response = attempt();
  if (!response.ok() && kept && response.error().code() == Code::kUnavailable) {
    connection_.reset();  // most likely the server closed it while it was idle
    response = attempt();
  }
  if (!response.ok()) {
    connection_.reset();
    server_ = (server_ + 1) % servers_.size();
  }
  return response;
}

Result<HttpResponse> SocketTransport::Exchange(std::string_view head, std::string_view body) {
  TARN_TRY(connection_->Send(head));
  TARN_TRY(connection_->Send(body));
  std::string bytes;
  ResponseHead parsed;
  do {  // 1xx announces the real one
    TARN_ASSIGN_OR_RETURN(parsed, ReceiveHead(bytes));
  } while (parsed.status < 200);
  return ReceiveBody(parsed, bytes);
}

Result<ResponseHead> SocketTransport::ReceiveHead(std::string& bytes) {
  size_t end = bytes.find("\r\n\r\n");
  while (end == std::string::npos) {
    if (bytes.size() > kMaxHeadBytes) return Unavailable("an answer with too long a head");
    TARN_ASSIGN_OR_RETURN(const size_t count, connection_->Receive(bytes));
    if (count == 0) return Unavailable("the server closed the connection");
    end = bytes.find("\r\n\r\n");
  }
  auto parsed = ParseResponseHead(std::string_view(bytes).substr(0, end));
  if (!parsed.ok()) return Unavailable(parsed.error().message());
  bytes.erase(0, end + 4);
  return parsed;
}

Result<HttpResponse> SocketTransport::ReceiveBody(const ResponseHead& head, std::string& bytes) {
  HttpResponse response{head.status, head.retry_after_seconds, {}};
  const bool bodiless = head.status == 204 || head.status == 304;
  const bool framed = !head.chunked && (head.content_length >= 0 || bodiless);
  const auto wanted =
      bodiless ? size_t{0} : static_cast<size_t>(std::max<int64_t>(head.content_length, 0));
  if (framed && wanted > kMaxBodyBytes) return Unavailable("an answer with too long a body");
  while (framed && bytes.size() < wanted) {
    TARN_ASSIGN_OR_RETURN(const size_t count, connection_->Receive(bytes));
    if (count == 0) return Unavailable("the server closed the connection");
  }
  // A body without a stated length is left alone, and the connection with it: the status says all.
  response.body = framed ? bytes.substr(0, wanted) : std::string();
  if (!framed || head.close || bytes.size() > wanted) connection_.reset();
  return response;
}

Result<ResponseHead> ParseResponseHead(std::string_view head) {
  ResponseHead result;
  const auto lines = Split(head, '\n');
  const std::string_view first = Trim(lines[0]);
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || first[8] != ' ') {
    return InvalidArgument("not an HTTP/1 answer");
  }
  const auto status = ParseInt64(first.substr(9, 3));
  if (!status || *status < 100 || *status > 599) return InvalidArgument("no valid status");
  result.status = static_cast<int>(*status);
  result.close = first[7] == '0';
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    if (colon == std::string_view::npos) return InvalidArgument("a header line without ':'");
    const std::string name = Lower(lines[i].substr(0, colon));
    const std::string_view value = Trim(lines[i].substr(colon + 1));
    if (name == "content-length") {
      const auto length = ParseInt64(value);
      if (!length || *length < 0) return InvalidArgument("no valid Content-Length");
      if (result.content_length >= 0 && result.content_length != *length) {
        return InvalidArgument("two different Content-Lengths");
      }
      result.content_length = *length;
    } else if (name == "transfer-encoding") {
      result.chunked = true;
    } else if (name == "connection") {
      result.close = Lower(value) == "close";
    } else if (name == "retry-after") {
      const auto seconds = ParseInt64(value);
      if (seconds && *seconds >= 0) result.retry_after_seconds = *seconds;
    }
  }
  return result;
}

}  // namespace tarn::agent
