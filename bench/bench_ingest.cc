// bench_ingest LOG PORT KEY REQUESTS [CONNECTIONS] [PAYLOAD_BYTES]: durable ingest of small
// batches.
//
// Each connection is one agent with a file of its own and one batch under way: lines of LOG, about
// PAYLOAD_BYTES a batch, at rising offsets, encoded beforehand. Prints requests/s and the time from
// the first byte sent to the last byte of the answer. Every answer must say "stored".
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "agent_wire/batch.h"
#include "base/check.h"

namespace tarn {
namespace {

using Clock = std::chrono::steady_clock;

struct Client {
  int fd = -1;
  std::vector<std::string> requests;
  size_t at = 0;       // the request under way
  size_t sent = 0;     // of it
  std::string answer;  // so far
  Clock::time_point started;
};

struct Plan {
  std::string log;
  uint16_t port = 0;
  std::string key;
  size_t requests = 0;
  size_t connections = 256;
  size_t payload_bytes = 1'024;
};

std::string ReadLog(const std::string& path, size_t limit) {
  std::ifstream file(path, std::ios::binary);
  std::string text(limit, '\0');
  file.read(text.data(), static_cast<std::streamsize>(limit));
  text.resize(static_cast<size_t>(file.gcount()));
  TARN_CHECK(text.find('\n') != std::string::npos);
  return text;
}

// The next whole lines, `wanted` bytes or the first line past it; starts again at the end.
std::string_view TakeLines(std::string_view log, size_t& at, size_t wanted, uint64_t& lines) {
  if (at + 4 * wanted + 16'384 > log.size()) at = 0;
  const size_t begin = at;
  lines = 0;
  while (at - begin + 200 < wanted) {
    at = log.find('\n', at) + 1;
    TARN_CHECK(at != 0);
    ++lines;
  }
  return log.substr(begin, at - begin);
}

void Prepare(const Plan& plan, std::vector<Client>& clients, uint64_t& lines, uint64_t& bytes) {
  const std::string log = ReadLog(plan.log, 16 << 20);
  codec::ZstdCompressor zstd;
  const size_t each = (plan.requests + plan.connections - 1) / plan.connections;
  size_t at = 0;
  for (size_t c = 0; c < plan.connections; ++c) {
    agent_wire::BatchHeader header;
    header.agent_id = fmt::format("bench-{}", c);
    header.host = fmt::format("web-{:03}", c);
    header.source = "web_log";
    header.path = "/var/log/apache2/access.log";
    header.file_id = fmt::format("{:032x}", c * 0x9E3779B97F4A7C15ULL);
    header.format = "combined";
    for (size_t i = 0; i < each; ++i) {
      const std::string_view payload = TakeLines(log, at, plan.payload_bytes, header.line_count);
      header.batch_number = i;
      header.begin_offset = header.end_offset;
      header.end_offset += payload.size();
      header.read_time = {1'795'500'000'000'000 + static_cast<int64_t>(i)};
      const auto body = agent_wire::Encode(header, payload, zstd);
      TARN_CHECK(body.ok());
      clients[c].requests.push_back(
          fmt::format("POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
                      "Content-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                      agent_wire::kPath, plan.key, agent_wire::kContentType, body->size(), *body));
      lines += header.line_count;
      bytes += payload.size();
    }
  }
}

void Connect(const Plan& plan, Client& client) {
  client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TARN_CHECK(client.fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  TARN_CHECK(connect(client.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  const int one = 1;
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  TARN_CHECK(fcntl(client.fd, F_SETFL, O_NONBLOCK) == 0);
}

void SendNext(Client& client) {
  const std::string& request = client.requests[client.at];
  if (client.sent == 0) client.started = Clock::now();
  while (client.sent < request.size()) {
    const ssize_t n =
        send(client.fd, request.data() + client.sent, request.size() - client.sent, MSG_NOSIGNAL);
    if (n < 0) {
      TARN_CHECK(errno == EAGAIN);
      return;
    }
    client.sent += static_cast<size_t>(n);
  }
}

// True once the whole answer is there.
bool Receive(Client& client, std::array<char, 4'096>& buffer) {
  const ssize_t n = recv(client.fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return false;
  if (n <= 0) fmt::print(stderr, "the server closed the connection\n");
  TARN_CHECK(n > 0);
  client.answer.append(buffer.data(), static_cast<size_t>(n));
  const size_t head = client.answer.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const size_t length = client.answer.find("Content-Length: ");
  TARN_CHECK(length < head);
  const size_t body = std::strtoull(client.answer.c_str() + length + 16, nullptr, 10);
  if (client.answer.size() < head + 4 + body) return false;
  if (!client.answer.starts_with("HTTP/1.1 200") ||
      client.answer.find("\"stored\"") == std::string::npos) {
    fmt::print(stderr, "{}\n", client.answer);
    std::exit(1);
  }
  client.answer.clear();
  return true;
}

std::vector<double> Run(std::vector<Client>& clients) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  size_t left = 0;
  for (size_t c = 0; c < clients.size(); ++c) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = c;
    TARN_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, clients[c].fd, &event) == 0);
    left += clients[c].requests.size();
  }
  std::vector<double> millis;
  millis.reserve(left);
  std::array<char, 4'096> buffer;
  std::array<epoll_event, 256> events;
  while (left > 0) {
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
    TARN_CHECK(count > 0);
    for (int i = 0; i < count; ++i) {
      Client& client = clients[events.at(static_cast<size_t>(i)).data.u64];
      if (client.at == client.requests.size()) continue;
      if (client.sent == client.requests[client.at].size() && Receive(client, buffer)) {
        millis.push_back(
            std::chrono::duration<double, std::milli>(Clock::now() - client.started).count());
        --left;
        client.sent = 0;
        if (++client.at == client.requests.size()) continue;
      }
      SendNext(client);
    }
  }
  close(epoll);
  return millis;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int Main(const Plan& plan) {
  std::vector<Client> clients(plan.connections);
  uint64_t lines = 0;
  uint64_t bytes = 0;
  Prepare(plan, clients, lines, bytes);
  for (Client& client : clients) Connect(plan, client);
  const double cpu = CpuSeconds();
  const auto begin = Clock::now();
  std::vector<double> millis = Run(clients);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::sort(millis.begin(), millis.end());
  const auto quantile = [&](size_t permille) {
    return millis[(millis.size() - 1) * permille / 1'000];
  };
  fmt::print(
      "{{\"requests\":{},\"seconds\":{:.3f},\"per_second\":{:.0f},\"p50_ms\":{:.2f},"
      "\"p99_ms\":{:.2f},\"p999_ms\":{:.2f},\"lines\":{},\"bytes\":{},\"client_cpu_s\":{:.2f}}}\n",
      millis.size(), seconds, static_cast<double>(millis.size()) / seconds, quantile(500),
      quantile(990), quantile(999), lines, bytes, CpuSeconds() - cpu);
  for (const Client& client : clients) close(client.fd);
  return 0;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "bench_ingest LOG PORT KEY REQUESTS [CONNECTIONS] [PAYLOAD_BYTES]\n");
    return 2;
  }
  tarn::Plan plan{argv[1], static_cast<uint16_t>(std::atoi(argv[2])), argv[3],
                  std::strtoull(argv[4], nullptr, 10)};
  if (argc > 5) plan.connections = std::strtoull(argv[5], nullptr, 10);
  if (argc > 6) plan.payload_bytes = std::strtoull(argv[6], nullptr, 10);
  return tarn::Main(plan);
}
