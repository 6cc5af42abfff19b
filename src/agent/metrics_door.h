#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "os/thread.h"

namespace tarn::agent {

// Answers GET /metrics (Prometheus text) and GET /health on 127.0.0.1. One thread, one connection
// at a time, 2 s and 8 KiB each: it is for a scraper on the same machine.
class MetricsDoor {
 public:
  // `port` 0: any free one. AlreadyExists if it is taken. `print` is called on the door's thread.
  static Result<std::unique_ptr<MetricsDoor>> Open(int port, std::function<std::string()> print);
  ~MetricsDoor();

  int port() const { return port_; }

 private:
  MetricsDoor(int fd, int port, std::function<std::string()> print);
  void Run();
  void Serve(int connection);

  const int fd_;
  const int port_;
  const std::function<std::string()> print_;
  std::atomic<bool> stopping_{false};
  os::Thread thread_;
};

}  // namespace tarn::agent
