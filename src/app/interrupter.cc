#include "app/interrupter.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>

namespace tarn::app {
namespace {

// How often the thread looks whether it should end.
constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 100'000'000};

// What ends a program unless it is ignored: SIGHUP by nohup, SIGINT by a shell for what a script
// runs in the background.
sigset_t Taken() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action{};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&signals, signal);
  }
  return signals;
}

}  // namespace

Interrupter::Interrupter(CtrlC ctrl_c) : ctrl_c_(ctrl_c), signals_(Taken()) {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = os::Thread("interrupter", [this] { Loop(); });
}

Interrupter::~Interrupter() {
  ending_ = true;
  thread_.Join();
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

void Interrupter::Loop() {
  while (!ending_) {
    const int signal = sigtimedwait(&signals_, nullptr, &kLook);
    if (signal <= 0) continue;
    if (signal == SIGINT && ctrl_c_ == CtrlC::kInterrupts) {
      TakeInterrupt();
    } else {
      Die(signal);
    }
  }
}

void Interrupter::TakeInterrupt() {
  {
    // Held over the call, so that nobody destroys meanwhile what it interrupts.
    os::MutexLock lock(mutex_);
    if (interrupt_ && !interrupted_) {
      interrupted_ = true;
      interrupt_();
      return;
    }
    if (!interrupt_ && at_prompt_) return;
  }
  End(Cancelled("interrupted"));
}

void Interrupter::AtPrompt() {
  os::MutexLock lock(mutex_);
  at_prompt_ = true;
}

void Interrupter::Clean() {
  os::MutexLock lock(mutex_);
  if (clean_) clean_();
}

void Interrupter::Die(int signal) {
  Clean();
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void Interrupter::End(const Error& error) {
  std::fprintf(stderr, "tarn: %s\n", error.message().c_str());
  Clean();
  _exit(TraitsOf(error.code()).exit_status);
}

Interrupter::Guard::Guard(Interrupter& interrupter, When when, std::function<void()> call)
    : interrupter_(interrupter), when_(when) {
  os::MutexLock lock(interrupter.mutex_);
  interrupter.CallOf(when) = std::move(call);
  if (when == When::kInterrupted) interrupter.interrupted_ = false;
}

Interrupter::Guard::~Guard() {
  os::MutexLock lock(interrupter_.mutex_);
  interrupter_.CallOf(when_) = nullptr;
}

}  // namespace tarn::app
