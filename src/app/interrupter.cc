#include "app/interrupter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <utility>

#include "base/check.h"

namespace tarn::app {
namespace {

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

Interrupter::Interrupter(CtrlC ctrl_c)
    : ctrl_c_(ctrl_c),
      signals_(Taken()),
      signal_fd_(signalfd(-1, &signals_, SFD_CLOEXEC)),
      end_fd_(eventfd(0, EFD_CLOEXEC)) {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  TARN_CHECK(signal_fd_ >= 0 && end_fd_ >= 0);
  thread_ = os::Thread("interrupter", [this] { Loop(); });
}

Interrupter::~Interrupter() {
  TARN_CHECK(eventfd_write(end_fd_, 1) == 0);
  thread_.Join();
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  close(signal_fd_);
  close(end_fd_);
}

void Interrupter::Loop() {
  for (;;) {
    std::array<pollfd, 2> news = {pollfd{signal_fd_, POLLIN, 0}, pollfd{end_fd_, POLLIN, 0}};
    if (poll(news.data(), news.size(), -1) < 0) continue;
    if (news[1].revents != 0) return;
    signalfd_siginfo taken{};
    if (read(signal_fd_, &taken, sizeof(taken)) != sizeof(taken)) continue;
    const auto signal = static_cast<int>(taken.ssi_signo);
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
