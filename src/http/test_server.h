#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "http/server.h"
#include "http/socket.h"
#include "os/clock.h"
#include "os/queue.h"
#include "os/thread.h"

namespace tarn::http {

inline constexpr int64_t kPatienceMicros = 20'000'000;  // before a test gives up

// A client that sends whatever it is told.
class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    auto socket = Connect("127.0.0.1", port, kPatienceMicros);
    TARN_CHECK(socket.ok());
    socket_ = std::move(socket).value();
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const IoOutcome outcome = SendSome(socket_.get(), bytes);
      if (outcome.kind == IoOutcome::Kind::kBroken) return;
      bytes.remove_prefix(outcome.bytes);
      if (outcome.kind == IoOutcome::Kind::kWouldBlock)
        TARN_CHECK(WaitFor(socket_.get(), POLLOUT, kPatienceMicros));
    }
  }
  // False at the end of the connection.
  bool ReadMore() {
    char buffer[16384];
    TARN_CHECK(WaitFor(socket_.get(), POLLIN, kPatienceMicros));
    const IoOutcome outcome = ReceiveSome(socket_.get(), buffer, sizeof(buffer));
    reset_ = outcome.kind == IoOutcome::Kind::kBroken;
    received_.append(buffer, outcome.bytes);
    return outcome.kind == IoOutcome::Kind::kBytes;
  }
  // The next answer, header and body; cut off where the connection ends.
  std::string ReadAnswer() {
    size_t header_end = 0;
    while ((header_end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return std::exchange(received_, {});
    }
    size_t size = header_end + 4;
    const size_t length = received_.substr(0, size).find("Content-Length: ");
    if (length != std::string::npos) size += std::stoul(received_.substr(length + 16));
    while (received_.size() < size) {
      if (!ReadMore()) return std::exchange(received_, {});
    }
    std::string answer = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
  }
  std::string ReadToEnd() {
    while (ReadMore()) {
    }
    return std::exchange(received_, {});
  }
  std::string Exchange(std::string_view request) {
    Send(request);
    return ReadToEnd();
  }
  // Something is there to read, the end of the connection included.
  bool Answered() const { return !received_.empty() || WaitFor(socket_.get(), POLLIN, 0); }
  void HalfClose() { shutdown(socket_.get(), SHUT_WR); }
  void Close() { socket_.Reset(); }
  bool was_reset() const { return reset_; }

 private:
  Descriptor socket_;
  std::string received_;
  bool reset_ = false;
};

// A server on a free port with a clock that moves when told, and these routes:
//   GET /hello      "hello\n"
//   POST /echo      the body; at most 1,000 bytes
//   POST /hold      answered by the test: held
//   POST /guarded   as /hold, for those who send "Authorization: yes"
//   GET /under/...  the path
class TestServer {
 public:
  struct Held {
    Request request;
    Responder responder;
  };

  explicit TestServer(ServerOptions options = {}) {
    Router router;
    router.Exact(Method::kGet, "/hello", [](Request&&, Responder responder) {
      std::move(responder).Send(Text("hello\n"));
    });
    router.Exact(Method::kPost, "/echo",
                 [](Request&& request, Responder responder) {
                   std::move(responder).Send(Text(std::move(request.body)));
                 },
                 {.max_body_bytes = 1000});
    const auto hold = [this](Request&& request, Responder responder) {
      held.Push({std::move(request), std::move(responder)});
    };
    router.Exact(Method::kPost, "/hold", hold);
    router.Exact(Method::kGet, "/hold", hold);
    const auto admit = [](const Request& head, std::string_view peer) -> Status {
      if (!peer.starts_with("127.0.0.1:")) return Internal("no peer");
      if (head.headers.Find("authorization") == "yes") return {};
      return Unauthenticated("say yes");
    };
    router.Exact(Method::kPost, "/guarded", hold, {.admit = admit});
    router.Exact(Method::kGet, "/guarded", hold, {.admit = admit});
    router.Prefix(Method::kGet, "/under/", [](Request&& request, Responder responder) {
      std::move(responder).Send(Text(std::string(request.path())));
    });
    auto made = Server::Create(std::move(options), std::move(router), clock, metrics);
    TARN_CHECK(made.ok());
    server = std::move(made).value();
  }

  static Response Text(std::string body) { return {200, "text/plain", std::move(body), {}}; }
  uint16_t port() const { return server->port(); }
  Held NextHeld() {
    auto next = held.PopFor(kPatienceMicros);
    TARN_CHECK(next.has_value());
    return *std::move(next);
  }

  os::FakeClock clock{Timestamp{1'795'530'000'000'000}};
  obs::Registry metrics;
  os::Queue<Held> held{1000};
  std::unique_ptr<Server> server;
};

}  // namespace tarn::http
