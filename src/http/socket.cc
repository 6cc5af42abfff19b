#include "http/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

namespace tarn::http {
namespace {

constexpr int kListenBacklog = 1024;

std::string Reason(int error) { return std::generic_category().message(error); }

void SetOption(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> Resolve(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0)
    return InvalidArgument(fmt::format("address '{}': {}", host, gai_strerror(error)));
  return Addresses(list);
}

Result<Descriptor> ConnectOne(const addrinfo& address, int64_t timeout_micros) {
  Descriptor socket(
      ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket) return Unavailable("cannot make a socket: " + Reason(errno));
  SetOption(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return Unavailable("cannot connect: " + Reason(errno));
  if (!WaitFor(socket.get(), POLLOUT, timeout_micros))
    return DeadlineExceeded("no answer to the connection attempt");
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Unavailable("cannot connect: " + Reason(error));
  return socket;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Descriptor::Reset() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

IoOutcome ReceiveSome(int fd, char* buffer, size_t size) {
  for (;;) {
    const ssize_t count = recv(fd, buffer, size, 0);
    if (count > 0) return {IoOutcome::Kind::kBytes, static_cast<size_t>(count)};
    if (count == 0) return {IoOutcome::Kind::kEnd, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoOutcome::Kind::kWouldBlock, 0};
    return {IoOutcome::Kind::kBroken, 0};
  }
}

IoOutcome SendSome(int fd, std::string_view bytes) {
  for (;;) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) return {IoOutcome::Kind::kBytes, static_cast<size_t>(count)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoOutcome::Kind::kWouldBlock, 0};
    return {IoOutcome::Kind::kBroken, 0};
  }
}

Result<Descriptor> Listen(const std::string& host, uint16_t port) {
  TARN_ASSIGN_OR_RETURN(const Addresses addresses,
                        Resolve(host, port, AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE));
  Descriptor socket(
      ::socket(addresses->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket) return IoError("cannot make a socket: " + Reason(errno));
  SetOption(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (addresses->ai_family == AF_INET6) SetOption(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (bind(socket.get(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      listen(socket.get(), kListenBacklog) != 0) {
    const int error = errno;
    const std::string message =
        fmt::format("cannot listen on {} port {}: {}", host, port, Reason(error));
    if (error == EADDRINUSE) return Conflict(message);
    if (error == EACCES) return PermissionDenied(message);
    if (error == EADDRNOTAVAIL) return InvalidArgument(message);
    return IoError(message);
  }
  return socket;
}

uint16_t LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  // The port is at the same place for both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

std::string FormatPeer(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    return fmt::format("[{}]:{}", text, ntohs(in6->sin6_port));
  }
  const auto* in4 = reinterpret_cast<const sockaddr_in*>(&address);
  inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, ntohs(in4->sin_port));
}

Result<Descriptor> Connect(const std::string& host, uint16_t port, int64_t timeout_micros) {
  auto addresses = Resolve(host, port, AI_NUMERICSERV);
  if (!addresses.ok()) return Unavailable(addresses.error().message());
  Error last = Unavailable("no address");
  for (const addrinfo* one = addresses->get(); one != nullptr; one = one->ai_next) {
    auto socket = ConnectOne(*one, timeout_micros);
    if (socket.ok()) return socket;
    last = std::move(socket).error();
  }
  return std::move(last).In(fmt::format("{} port {}", host, port));
}

bool WaitFor(int fd, short events, int64_t timeout_micros) {
  pollfd entry{fd, events, 0};
  const int64_t millis = std::clamp<int64_t>((timeout_micros + 999) / 1000, 0, 1 << 30);
  for (;;) {
    const int count = poll(&entry, 1, static_cast<int>(millis));
    if (count >= 0 || errno != EINTR) return count != 0;
  }
}

}  // namespace tarn::http
