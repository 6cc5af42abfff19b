#include "demo/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "base/time.h"

namespace tarn::demo {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kHeaderLimit = 64 * 1024;
constexpr size_t kBodyKept = 1 << 20;

Error SocketError(std::string_view what) {
  const int code = errno;
  if (code == EAGAIN || code == EWOULDBLOCK) {
    return DeadlineExceeded(fmt::format("{}: no answer in time", what));
  }
  return Unavailable(fmt::format("{}: {}", what, std::strerror(code)));
}

// The address in the form the socket calls take it.
union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t Loopback(Address& address, int port, bool over_ipv6) {
  address = {};
  if (over_ipv6) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(static_cast<uint16_t>(port));
    address.v6.sin6_addr = in6addr_loopback;
    return sizeof address.v6;
  }
  address.v4.sin_family = AF_INET;
  address.v4.sin_port = htons(static_cast<uint16_t>(port));
  address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sizeof address.v4;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct Head {
  HttpAnswer answer;
  int64_t length = -1;
  bool chunked = false;
};

Result<Head> ParseHead(std::string_view text) {
  Head head;
  bool first = true;
  for (std::string_view line : Split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (first) {
      first = false;
      const auto status = line.size() < 12 ? std::nullopt : ParseUint64(line.substr(9, 3));
      if (!line.starts_with("HTTP/1.") || !status) return DataLoss("the answer is no HTTP");
      head.answer.status = static_cast<int>(*status);
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = Lower(line.substr(0, colon));
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "content-length") {
      head.length = ParseInt64(value).value_or(-1);
    } else if (name == "transfer-encoding") {
      head.chunked = Lower(value) == "chunked";
    } else if (name == "connection") {
      head.answer.close = Lower(value) == "close";
    } else if (name == "x-time" && value.starts_with("t=")) {
      head.answer.time_micros = ParseInt64(value.substr(2)).value_or(0);
    }
  }
  return head;
}

// Reads until `buffer` holds `size` bytes.
Status Fill(Socket& socket, std::string& buffer, size_t size) {
  while (buffer.size() < size) {
    TARN_ASSIGN_OR_RETURN(const size_t got, socket.Read(buffer));
    if (got == 0) return DataLoss("the server closed the connection within an answer");
  }
  return {};
}

void TakeBody(HttpAnswer& answer, std::string& buffer, size_t size) {
  answer.body_bytes += size;
  if (answer.body.size() < kBodyKept) {
    answer.body.append(buffer, 0, std::min(size, kBodyKept - answer.body.size()));
  }
  buffer.erase(0, size);
}

Status ReadChunked(Socket& socket, std::string& buffer, HttpAnswer& answer) {
  for (;;) {
    size_t end = 0;
    while ((end = buffer.find("\r\n")) == std::string::npos) {
      if (buffer.size() > kHeaderLimit) return DataLoss("a chunk has no size");
      TARN_TRY(Fill(socket, buffer, buffer.size() + 1));
    }
    const size_t size = std::strtoul(buffer.c_str(), nullptr, 16);
    buffer.erase(0, end + 2);
    TARN_TRY(Fill(socket, buffer, size + 2));
    TakeBody(answer, buffer, size);
    buffer.erase(0, 2);
    if (size == 0) return {};  // our servers send no trailers
  }
}

Status ReadToEnd(Socket& socket, std::string& buffer, HttpAnswer& answer) {
  for (;;) {
    TakeBody(answer, buffer, buffer.size());
    TARN_ASSIGN_OR_RETURN(const size_t got, socket.Read(buffer));
    if (got == 0) return {};
  }
}

bool CanListen(int port, bool over_ipv6, int* chosen) {
  const int fd = socket(over_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  if (over_ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  Address address;
  socklen_t size = Loopback(address, port, over_ipv6);
  bool free = bind(fd, &address.any, size) == 0 && listen(fd, 1) == 0;
  if (free && chosen != nullptr) {
    free = getsockname(fd, &address.any, &size) == 0;
    *chosen = ntohs(over_ipv6 ? address.v6.sin6_port : address.v4.sin_port);
  }
  close(fd);
  return free;
}

}  // namespace

Result<Socket> Socket::Connect(int port, bool over_ipv6, int64_t timeout_micros) {
  Socket made(socket(over_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made.open()) return SocketError("socket");
  timeval limit{timeout_micros / kMicrosPerSecond, timeout_micros % kMicrosPerSecond};
  setsockopt(made.fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(made.fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  setsockopt(made.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Address address;
  const socklen_t size = Loopback(address, port, over_ipv6);
  if (connect(made.fd_, &address.any, size) != 0) {
    return SocketError(fmt::format("port {}", port));
  }
  return made;
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Status Socket::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return SocketError("write");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Result<size_t> Socket::Read(std::string& buffer) {
  std::array<char, kReadBytes> bytes;
  for (;;) {
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SocketError("read");
    buffer.append(bytes.data(), static_cast<size_t>(got));
    return static_cast<size_t>(got);
  }
}

void Socket::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<int> FreePort() {
  for (int attempt = 0; attempt < 50; ++attempt) {
    int port = 0;
    if (CanListen(0, false, &port) && CanListen(port, true, nullptr)) return port;
  }
  return Unavailable("no free port on 127.0.0.1 and ::1; is IPv6 loopback up (ip addr show lo)?");
}

bool PortIsFree(int port) {
  return CanListen(port, false, nullptr) && CanListen(port, true, nullptr);
}

Result<HttpAnswer> ReadAnswer(Socket& socket, std::string& buffer, bool head_only) {
  size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (buffer.size() > kHeaderLimit) return DataLoss("the answer's header has no end");
    TARN_ASSIGN_OR_RETURN(const size_t got, socket.Read(buffer));
    if (got > 0) continue;
    if (buffer.empty()) return Unavailable("the server closed the connection");
    return DataLoss("the server closed the connection within an answer");
  }
  TARN_ASSIGN_OR_RETURN(Head head, ParseHead(std::string_view(buffer).substr(0, end)));
  buffer.erase(0, end + 4);
  HttpAnswer answer = std::move(head.answer);
  if (head_only || answer.status == 304 || answer.status == 204) return answer;
  if (head.chunked) {
    TARN_TRY(ReadChunked(socket, buffer, answer));
  } else if (head.length >= 0) {
    const auto size = static_cast<size_t>(head.length);
    TARN_TRY(Fill(socket, buffer, size));
    TakeBody(answer, buffer, size);
  } else {
    answer.close = true;
    TARN_TRY(ReadToEnd(socket, buffer, answer));
  }
  return answer;
}

Result<HttpAnswer> HttpGet(int port, std::string_view path, std::string_view bearer,
                           int64_t timeout_micros) {
  TARN_ASSIGN_OR_RETURN(Socket socket, Socket::Connect(port, false, timeout_micros));
  const std::string key = bearer.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", bearer);
  TARN_TRY(socket.Write(fmt::format(
      "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}Connection: close\r\n\r\n", path, port, key)));
  std::string buffer;
  return ReadAnswer(socket, buffer, false);
}

}  // namespace tarn::demo
