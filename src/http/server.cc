#include "http/server.h"

#include <algorithm>

#include "http/loop.h"
#include "os/thread.h"

namespace tarn::http {
namespace {

Status Validate(const ServerOptions& options) {
  const ServerLimits& limits = options.limits;
  if (options.listen.empty()) return InvalidArgument("no address to listen on");
  if (options.io_threads == 0 || options.io_threads > 64)
    return InvalidArgument("io_threads must be 1 to 64");
  if (limits.max_connections == 0 || limits.max_connections_per_address == 0 ||
      limits.max_pipelined == 0 || limits.min_body_rate == 0) {
    return InvalidArgument("limits of connections, pipeline and rate must be positive");
  }
  if (limits.max_header_bytes < 256 || limits.max_header_bytes > (1 << 20))
    return InvalidArgument("max_header_bytes must be 256 bytes to 1 MiB");
  return {};
}

class EpollServer final : public Server {
 public:
  EpollServer(ServerLimits limits, Router router, std::unique_ptr<TlsContext> tls,
              const os::Clock& clock, obs::Registry& metrics)
      : shared_{limits, std::move(router), std::move(tls), clock, Events(metrics)} {}
  ~EpollServer() override { Stop(0); }

  Status Start(const ServerOptions& options) {
    for (const ListenAddress& address : options.listen) {
      TARN_ASSIGN_OR_RETURN(Descriptor listener, Listen(address.host, address.port));
      ports_.push_back(LocalPort(listener.get()));
      listeners_.push_back(std::move(listener));
    }
    for (size_t i = 0; i < options.io_threads; ++i) {
      TARN_ASSIGN_OR_RETURN(auto loop, Loop::Create(shared_, listeners_));
      loops_.push_back(std::move(loop));
    }
    for (size_t i = 0; i < loops_.size(); ++i) {
      threads_.emplace_back("http-io-" + std::to_string(i),
                            [loop = loops_[i].get()] { loop->Run(); });
    }
    return {};
  }

  uint16_t port(size_t index) const override { return ports_.at(index); }

  void Stop(int64_t grace_micros) override {
    os::MutexLock lock(stop_mutex_);
    shared_.stop_deadline_micros =
        shared_.clock.MonotonicMicros() + std::max<int64_t>(grace_micros, 0);
    shared_.stopping = true;
    for (const auto& loop : loops_) loop->inbox().Wake();
    for (os::Thread& thread : threads_) thread.Join();
    threads_.clear();
    loops_.clear();
    listeners_.clear();
  }

 private:
  Shared shared_;
  std::vector<Descriptor> listeners_;
  std::vector<uint16_t> ports_;
  std::vector<std::unique_ptr<Loop>> loops_;
  os::Mutex stop_mutex_;
  std::vector<os::Thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(ServerOptions options, Router router,
                                               const os::Clock& clock, obs::Registry& metrics) {
  TARN_TRY(Validate(options));
  std::unique_ptr<TlsContext> tls;
  if (options.tls) {
    TARN_ASSIGN_OR_RETURN(tls, TlsContext::ForServer(options.tls->certificate_chain_pem,
                                                     options.tls->private_key_pem));
  }
  auto server = std::make_unique<EpollServer>(options.limits, std::move(router), std::move(tls),
                                              clock, metrics);
  TARN_TRY(server->Start(options));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tarn::http
