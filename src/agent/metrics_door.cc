#include "agent/metrics_door.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tarn::agent {
namespace {

constexpr size_t kMaxRequestBytes = 8 << 10;

}  // namespace

Result<std::unique_ptr<MetricsDoor>> MetricsDoor::Open(int port,
                                                       std::function<std::string()> print) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return IoError("cannot open a socket: " + std::generic_category().message(errno));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets interface
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, generic, size) != 0 || listen(fd, 8) != 0 || getsockname(fd, generic, &size) != 0) {
    const std::string reason = std::generic_category().message(errno);
    close(fd);
    return AlreadyExists(fmt::format("metrics port {}: {}", port, reason));
  }
  return std::unique_ptr<MetricsDoor>(
      new MetricsDoor(fd, ntohs(address.sin_port), std::move(print)));
}

MetricsDoor::MetricsDoor(int fd, int port, std::function<std::string()> print)
    : fd_(fd), port_(port), print_(std::move(print)), thread_("metrics", [this] { Run(); }) {}

MetricsDoor::~MetricsDoor() {
  stopping_ = true;
  shutdown(fd_, SHUT_RDWR);  // ends accept
  thread_.Join();
  close(fd_);
}

void MetricsDoor::Run() {
  while (!stopping_) {
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      if (stopping_) return;
      poll(nullptr, 0, 100);  // out of descriptors or the like: not in a tight loop
      continue;
    }
    const timeval limit{2, 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    Serve(connection);
    close(connection);
  }
}

void MetricsDoor::Serve(int connection) {
  std::string request;
  char buffer[2048];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(connection, buffer, sizeof(buffer), 0);
    if (count <= 0 || request.size() > kMaxRequestBytes) return;
    request.append(buffer, static_cast<size_t>(count));
  }
  std::string status = "200 OK";
  std::string body;
  if (request.starts_with("GET /metrics ")) {
    body = print_();
  } else if (request.starts_with("GET /health ")) {
    body = "ok\n";
  } else {
    status = "404 Not Found";
    body = "try /metrics\n";
  }
  const std::string answer = fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      status, body.size(), body);
  size_t sent = 0;
  while (sent < answer.size()) {
    const ssize_t count =
        send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

}  // namespace tarn::agent
