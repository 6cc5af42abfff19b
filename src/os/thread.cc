#include "os/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace tarn::os {

namespace {

constexpr int kBackgroundNice = 10;

}  // namespace

Thread::Thread(std::string name, std::function<void()> body, Priority priority)
    : thread_([name = name.substr(0, 15), body = std::move(body), priority] {
        pthread_setname_np(pthread_self(), name.c_str());
        // On Linux niceness is a thread's own. One that is niced already stays so.
        const id_t self = static_cast<id_t>(gettid());
        if (priority == Priority::kBackground &&
            getpriority(PRIO_PROCESS, self) < kBackgroundNice) {
          (void)setpriority(PRIO_PROCESS, self, kBackgroundNice);
        }
        body();
      }) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  Join();
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::Join() {
  if (thread_.joinable()) thread_.join();
}

unsigned CoreCount() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace tarn::os
