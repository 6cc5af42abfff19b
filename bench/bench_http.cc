// A server with nothing behind it, for wrk: bench/http.sh drives it and prints the table row.
//   POST /inline   answered on the I/O thread
//   POST /grouped  answered from another thread, all that came meanwhile at once after a pause that
//                  stands for the journal's sync (argument 2, microseconds)
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "http/server.h"
#include "os/clock.h"
#include "os/mutex.h"
#include "os/thread.h"

namespace {

using tarn::http::Responder;

class GroupCommit {
 public:
  explicit GroupCommit(useconds_t sync_micros)
      : sync_micros_(sync_micros), thread_("group", [this] { Run(); }) {}
  ~GroupCommit() {
    {
      tarn::os::MutexLock lock(mutex_);
      closed_ = true;
      waiting_.NotifyAll();
    }
    thread_.Join();
  }
  void Add(Responder responder) {
    tarn::os::MutexLock lock(mutex_);
    group_.push_back(std::move(responder));
    if (group_.size() == 1) waiting_.NotifyOne();
  }

 private:
  void Run() {
    for (;;) {
      std::vector<Responder> group;
      {
        tarn::os::MutexLock lock(mutex_);
        while (group_.empty() && !closed_) waiting_.Wait(mutex_);
        if (group_.empty()) return;
        group.swap(group_);
      }
      if (sync_micros_ > 0) usleep(sync_micros_);
      for (Responder& responder : group) {
        std::move(responder).Send({200, "application/json", "{\"ok\":true}\n", {}});
      }
    }
  }

  const useconds_t sync_micros_;
  tarn::os::Mutex mutex_;
  tarn::os::ConditionVariable waiting_;
  std::vector<Responder> group_;
  bool closed_ = false;
  tarn::os::Thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto port = static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  GroupCommit commit(static_cast<useconds_t>(argc > 2 ? std::atoi(argv[2]) : 1000));
  tarn::http::Router router;
  router.Exact(tarn::http::Method::kPost, "/inline", [](auto&&, Responder responder) {
    std::move(responder).Send({200, "application/json", "{\"ok\":true}\n", {}});
  });
  router.Exact(tarn::http::Method::kPost, "/grouped",
               [&commit](auto&&, Responder responder) { commit.Add(std::move(responder)); });
  const tarn::os::SystemClock clock;
  tarn::obs::Registry metrics;
  auto server = tarn::http::Server::Create({.listen = {{"127.0.0.1", port}}}, std::move(router),
                                           clock, metrics);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().ToString().c_str());
    return 1;
  }
  std::printf("%d\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Stop(1'000'000);
  return 0;
}
