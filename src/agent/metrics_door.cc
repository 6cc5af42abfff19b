#include "agent/metrics_door.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tarn::agent {
namespace {

constexpr size_t kMaxRequestBytes = 8 << 10;

}  // namespace

Result<std::unique_ptr<MetricsDoor>> MetricsDoor::Open(int port,
                                                       std::function<std::string()> print) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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
    return Conflict(fmt::format("metrics port {}: {}", port, reason));
  }
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) {
    close(fd);
    return IoError("cannot make an eventfd: " + std::generic_category().message(errno));
  }
  return std::unique_ptr<MetricsDoor>(
      new MetricsDoor(fd, wake, ntohs(address.sin_port), std::move(print)));
}

MetricsDoor::MetricsDoor(int fd, int wake, int port, std::function<std::string()> print)
    : fd_(fd), wake_(wake), port_(port), print_(std::move(print)), thread_("metrics", [this] {
        Run();
      }) {}

MetricsDoor::~MetricsDoor() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t count = write(wake_, &one, sizeof(one));  // it stays readable
  thread_.Join();
  close(fd_);
  close(wake_);
}

// False: time is up, or the door closes.
bool MetricsDoor::Wait(int connection, short events, int64_t deadline) const {
  for (;;) {
    const int64_t left = deadline - clock_.MonotonicMicros();
    if (left <= 0) return false;
    pollfd entries[2] = {{wake_, POLLIN, 0}, {connection, events, 0}};
    const int count = poll(entries, 2, static_cast<int>((left + 999) / 1000));
    if (entries[0].revents != 0) return false;
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
  }
}

void MetricsDoor::Run() {
  for (;;) {
    pollfd entries[2] = {{wake_, POLLIN, 0}, {fd_, POLLIN, 0}};
    poll(entries, 2, -1);
    if (entries[0].revents != 0) return;
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
      poll(entries, 1, 100);  // out of descriptors or the like: not in a tight loop
      continue;
    }
    Serve(connection);
    close(connection);
  }
}

void MetricsDoor::Serve(int connection) {
  const int64_t deadline = clock_.MonotonicMicros() + kCallMicros;
  std::string request;
  char buffer[2048];
  while (request.find("\r\n\r\n") == std::string::npos) {
    if (request.size() > kMaxRequestBytes || !Wait(connection, POLLIN, deadline)) return;
    const ssize_t count = recv(connection, buffer, sizeof(buffer), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return;
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
    if (!Wait(connection, POLLOUT, deadline)) return;
    const ssize_t count =
        send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

}  // namespace tarn::agent
