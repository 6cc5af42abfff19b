#include "demo/traffic.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "demo/apache.h"
#include "demo/broken.h"

namespace tarn::demo {
namespace {

constexpr int64_t kSocketMicros = 10 * kMicrosPerSecond;
constexpr int64_t kIdleMicros = 20 * kMicrosPerSecond;  // below the servers' KeepAliveTimeout
constexpr int64_t kRetryMicros = 100'000;
constexpr int64_t kSliceMicros = 20'000;
constexpr size_t kQueueHits = 4'096;
// An answer without a time (HTTP/0.9) is counted by our clock, so not where hours meet.
constexpr int64_t kHourEdgeMicros = 3 * kMicrosPerSecond;

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) {
      word = word << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kDigits[word >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string RequestText(const Hit& hit) {
  std::string out =
      fmt::format("{} {} HTTP/1.1\r\nHost: www.shop.example\r\n", hit.method, hit.target);
  const auto add = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("{}: {}\r\n", name, value);
  };
  add("X-Forwarded-For", hit.address);
  if (!hit.agent.empty()) add("User-Agent", hit.agent);
  if (!hit.referer.empty()) add("Referer", hit.referer);
  if (!hit.cookie.empty()) add("Cookie", fmt::format("theme=dark; visitor={}", hit.cookie));
  if (!hit.user.empty()) {
    const std::string_view password = hit.status == 401 ? "guess" : kDemoPassword;
    add("Authorization", "Basic " + Base64(fmt::format("{}:{}", hit.user, password)));
  }
  if (hit.status == 302 || hit.status == 500) add("X-Outcome", fmt::format("{}", hit.status));
  if (hit.status == 304) add("If-None-Match", "*");
  if (hit.status == 206) add("Range", "bytes=0-65535");
  if (std::string_view(hit.method) == "POST") {
    out += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\nok=1";
  } else {
    out += "\r\n";
  }
  return out;
}

bool NearHourEdge(Timestamp now) {
  const int64_t within = now.micros % kMicrosPerHour;
  return within < kHourEdgeMicros || within > kMicrosPerHour - kHourEdgeMicros;
}

}  // namespace

Result<HttpAnswer> PlayBrokenClient(const BrokenClient& client, int port, bool over_ipv6) {
  TARN_ASSIGN_OR_RETURN(Socket socket, Socket::Connect(port, over_ipv6, kSocketMicros));
  TARN_TRY(socket.Write(client.bytes()));
  HttpAnswer answer{.status = client.status};
  std::string buffer;
  if (client.answered) {
    auto read = ReadAnswer(socket, buffer, false);
    if (!read.ok()) return DataLoss("no answer: " + read.error().message());
    return read;
  }
  for (;;) {
    const auto got = socket.Read(buffer);
    if (!got.ok()) return DataLoss("no answer: " + got.error().message());
    if (*got == 0) return answer;
    answer.body_bytes += *got;
  }
}

struct Traffic::Lane {
  struct Connection {
    Socket socket;
    std::string buffer;
    int64_t last_used = 0;
  };
  os::Queue<Hit> queue{kQueueHits};
  Connection connections[2];  // IPv4, IPv6
  os::Thread thread;
};

Traffic::Traffic(const os::Clock& clock, const TrafficOptions& options, Truth& truth)
    : clock_(clock), options_(options), truth_(truth) {}

Traffic::~Traffic() { Stop(); }

void Traffic::Start() {
  for (size_t i = 0; i <= options_.ports.size(); ++i) {
    Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>());
    const std::string name =
        i < options_.ports.size() ? fmt::format("shop-w{}", i + 1) : "shop-bad";
    lane.thread = os::Thread(name, [this, &lane] { Serve(lane); });
  }
  pacer_ = os::Thread("shop-pace", [this] { Pace(); });
}

void Traffic::Stop() {
  stop_ = true;
  for (const auto& lane : lanes_) lane->queue.Close();
  pacer_.Join();
  for (const auto& lane : lanes_) lane->thread.Join();
}

void Traffic::Pace() {
  World world(options_.world);
  const int64_t began = clock_.MonotonicMicros();
  while (!stop_) {
    const Hit& hit = world.Next();
    const int64_t due = began + (hit.time.micros - options_.world.start.micros);
    for (int64_t wait = 0; (wait = due - clock_.MonotonicMicros()) > 0 && !stop_;) {
      usleep(static_cast<useconds_t>(std::min(wait, kSliceMicros)));
    }
    if (stop_) return;
    if (hit.kind == HitKind::kStrayText) {
      PlayStray(hit);
      continue;
    }
    const size_t lane = hit.kind == HitKind::kBroken ? lanes_.size() - 1 : hit.server;
    lanes_[lane]->queue.Push(hit);
  }
}

void Traffic::Serve(Lane& lane) {
  while (auto hit = lane.queue.Pop()) {
    if (stop_) return;
    if (hit->kind == HitKind::kBroken) {
      PlayBroken(*hit);
    } else {
      PlayRequest(lane, *hit);
    }
  }
}

void Traffic::Count(const Hit& hit, const HttpAnswer& answer) {
  const Timestamp time = answer.time_micros > 0 ? Timestamp{answer.time_micros} : clock_.Now();
  truth_.AddHit(hit.server, time, answer.status, hit.cookie);
  ++hits_[hit.server];
}

// A request whose connection ends before the first byte of an answer was not taken by the server
// (it closes idle connections, and all of them when it reopens its logs), so it is sent again.
void Traffic::PlayRequest(Lane& lane, const Hit& hit) {
  const std::string request = RequestText(hit);
  Lane::Connection& connection = lane.connections[hit.over_ipv6 ? 1 : 0];
  const bool head = std::string_view(hit.method) == "HEAD";
  while (!stop_) {
    if (clock_.MonotonicMicros() - connection.last_used > kIdleMicros) connection.socket.Close();
    if (!connection.socket.open()) {
      connection.buffer.clear();
      auto made = Socket::Connect(options_.ports[hit.server], hit.over_ipv6, kSocketMicros);
      if (!made.ok()) {
        usleep(kRetryMicros);
        continue;
      }
      connection.socket = std::move(made).value();
    }
    if (!connection.socket.Write(request).ok()) {
      connection.socket.Close();
      continue;
    }
    auto answer = ReadAnswer(connection.socket, connection.buffer, head);
    connection.last_used = clock_.MonotonicMicros();
    if (answer.ok()) {
      if (answer->close) connection.socket.Close();
      Count(hit, *answer);
      return;
    }
    connection.socket.Close();
    if (answer.error().code() == Code::kUnavailable && connection.buffer.empty()) continue;
    HttpAnswer expected;
    expected.status = hit.status;
    truth_.AddUncertain();
    Count(hit, expected);
    return;
  }
}

void Traffic::PlayBroken(const Hit& hit) {
  const BrokenClient& client = BrokenClientAt(hit.broken);
  if (!client.answered && NearHourEdge(clock_.Now())) return;
  auto answer = PlayBrokenClient(client, options_.ports[hit.server], hit.over_ipv6);
  if (!answer.ok()) {
    // Nothing was sent: nothing happened.
    if (answer.error().code() == Code::kUnavailable) return;
    truth_.AddUncertain();
    answer = HttpAnswer{.status = client.status};
  }
  Count(hit, *answer);
}

void Traffic::PlayStray(const Hit& hit) {
  const int fd =
      open(options_.logs[hit.server].c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  const std::string line = hit.text + "\n";
  const ssize_t written = write(fd, line.data(), line.size());
  close(fd);
  if (written <= 0) return;
  truth_.AddRejected(hit.server, clock_.Now());
  ++rejected_[hit.server];
}

}  // namespace tarn::demo
