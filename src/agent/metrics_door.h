#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "os/clock.h"
#include "os/thread.h"

namespace tarn::agent {

// Answers GET /metrics (Prometheus text) and GET /health on 127.0.0.1. One thread, one connection
// at a time, kCallMicros and 8 KiB each whatever the client does: it is for a scraper on the same
// machine. The end waits for no client.
class MetricsDoor {
 public:
  static constexpr int64_t kCallMicros = 2'000'000;

  // `port` 0: any free one. Conflict if it is taken. `print` is called on the door's thread.
  static Result<std::unique_ptr<MetricsDoor>> Open(int port, std::function<std::string()> print);
  ~MetricsDoor();

  int port() const { return port_; }

 private:
  MetricsDoor(int fd, int wake, int port, std::function<std::string()> print);
  void Run();
  void Serve(int connection);
  bool Wait(int connection, short events, int64_t deadline) const;

  const int fd_;
  const int wake_;  // readable once the end has come
  const int port_;
  const std::function<std::string()> print_;
  const os::SystemClock clock_;
  os::Thread thread_;
};

}  // namespace tarn::agent
