#include "app/interrupter.h"

#include <csignal>
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

Interrupter::Interrupter(std::function<void()> interrupt) {
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = os::Thread("interrupter", [this, interrupt = std::move(interrupt)] {
    const sigset_t waited = Interrupt();
    while (!ending_) {
      if (sigtimedwait(&waited, nullptr, &kLook) == SIGINT) interrupt();
    }
  });
}

Interrupter::~Interrupter() {
  ending_ = true;
  thread_.Join();
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
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
