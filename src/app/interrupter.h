#pragma once

#include <csignal>
#include <functional>

#include "base/error.h"
#include "os/mutex.h"
#include "os/thread.h"

namespace tarn::app {

// Ctrl-C ends what is running: while this lives, SIGINT is blocked in this thread and every thread
// made later, and a thread of ours takes it. The first one interrupts what runs; a second, while
// that has not ended, ends the program. With nothing to interrupt it ends the program, unless at a
// prompt. SIGTERM and SIGHUP end it after it has cleaned up. A signal that is ignored stays so.
// Make it before anything that starts threads. One at a time.
class Interrupter {
 public:
  enum class CtrlC : uint8_t {
    kInterrupts,
    kEnds,  // as SIGTERM does, which also ends the script that waits for the program
  };
  explicit Interrupter(CtrlC ctrl_c = CtrlC::kInterrupts);
  ~Interrupter();
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

  enum class When : uint8_t {
    kInterrupted,  // what Ctrl-C calls instead of ending the program
    kEnding,       // cleans up before the program ends from here
  };
  // While it lives, `call` is called then, on another thread; never after its destructor has begun.
  // One at a time of each.
  class Guard {
   public:
    Guard(Interrupter& interrupter, When when, std::function<void()> call);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Interrupter& interrupter_;
    const When when_;
  };

  // From now on Ctrl-C with nothing to interrupt is ignored.
  void AtPrompt();

  // From any thread: says the error, cleans up and ends the program with the error's status.
  [[noreturn]] void End(const Error& error);

 private:
  void Loop();
  void TakeInterrupt();
  void Clean();
  void Die(int signal);
  std::function<void()>& CallOf(When when) TARN_REQUIRES(mutex_) {
    return when == When::kEnding ? clean_ : interrupt_;
  }

  const CtrlC ctrl_c_;
  const sigset_t signals_;
  const int signal_fd_;
  const int end_fd_;  // an event: the thread ends
  os::Mutex mutex_;
  std::function<void()> interrupt_ TARN_GUARDED_BY(mutex_);
  std::function<void()> clean_ TARN_GUARDED_BY(mutex_);
  bool interrupted_ TARN_GUARDED_BY(mutex_) = false;
  bool at_prompt_ TARN_GUARDED_BY(mutex_) = false;
  os::Thread thread_;
};

}  // namespace tarn::app
