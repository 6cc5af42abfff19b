#pragma once

#include <atomic>
#include <functional>

#include "os/thread.h"

namespace tarn::app {

// Ctrl-C ends what is running, not the program: while this lives, SIGINT is blocked in this thread
// and every thread made later, and a thread of ours takes it and calls `interrupt`. Make it before
// anything that starts threads. One at a time.
class Interrupter {
 public:
  explicit Interrupter(std::function<void()> interrupt);
  ~Interrupter();
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

  // While it lives, SIGINT interrupts a blocking read of the calling (main) thread instead.
  class Typing {
   public:
    Typing();
    ~Typing();
    Typing(const Typing&) = delete;
    Typing& operator=(const Typing&) = delete;
  };

 private:
  std::atomic<bool> ending_ = false;
  os::Thread thread_;
};

}  // namespace tarn::app
