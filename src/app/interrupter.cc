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

sigset_t Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  return signals;
}

void Nothing(int /*signal*/) {}

}  // namespace

Interrupter::Interrupter() {
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = os::Thread("interrupter", [this] { Loop(); });
}

Interrupter::~Interrupter() {
  ending_ = true;
  thread_.Join();
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void Interrupter::Loop() {
  const sigset_t waited = Interrupt();
  while (!ending_) {
    if (sigtimedwait(&waited, nullptr, &kLook) == SIGINT) Take();
  }
}

void Interrupter::Take() {
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

void Interrupter::End(const Error& error) {
  std::fprintf(stderr, "tarn: %s\n", error.message().c_str());
  {
    os::MutexLock lock(mutex_);
    if (clean_) clean_();
  }
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

Interrupter::Typing::Typing() {
  struct sigaction action{};
  action.sa_handler = Nothing;  // without SA_RESTART: read() answers EINTR
  sigaction(SIGINT, &action, nullptr);
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

Interrupter::Typing::~Typing() {
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace tarn::app
