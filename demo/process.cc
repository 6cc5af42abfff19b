#include "demo/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "os/clock.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

constexpr int64_t kPollMicros = 10'000;
constexpr int64_t kFirstWaitMicros = 200'000;
constexpr int64_t kLongestWaitMicros = 5'000'000;
constexpr int64_t kHealthyMicros = 60'000'000;

// Between fork and exec only async-signal-safe calls.
[[noreturn]] void Exec(char* const* argv, int log_fd, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // it died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  const int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd >= 0) dup2(null_fd, 0);
  dup2(log_fd, 1);
  dup2(log_fd, 2);
  execv(argv[0], argv);
  constexpr char kMessage[] = "cannot execute the program\n";
  [[maybe_unused]] const ssize_t written = write(2, kMessage, sizeof kMessage - 1);
  _exit(127);
}

}  // namespace

Result<Child> Child::Spawn(const std::vector<std::string>& argv, const std::string& log_path) {
  const int log_fd = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return IoError(fmt::format("{}: {}", log_path, std::strerror(errno)));
  std::vector<std::string> copy = argv;
  std::vector<char*> pointers;
  for (std::string& argument : copy) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Exec(pointers.data(), log_fd, parent);
  const int fork_errno = errno;
  close(log_fd);
  if (pid < 0) return IoError(fmt::format("{}: fork: {}", argv[0], std::strerror(fork_errno)));
  Child child;
  child.pid_ = pid;
  return child;
}

Child::~Child() {
  if (!Running()) return;
  Signal(SIGKILL);
  WaitFor(kLongestWaitMicros);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), exit_status_(other.exit_status_) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(exit_status_, other.exit_status_);
  return *this;
}

void Child::Reap(int status) {
  pid_ = 0;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Child::Running() {
  if (pid_ == 0) return false;
  siginfo_t ended{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      ended.si_pid != pid_) {
    return true;
  }
  // Until it is reaped, nobody else can have the number of its group.
  kill(-pid_, SIGKILL);
  int status = 0;
  if (waitpid(pid_, &status, 0) == pid_) Reap(status);
  return pid_ != 0;
}

void Child::Signal(int signal) {
  // What is killed cannot end its own children: they are in its process group.
  if (pid_ != 0) kill(signal == SIGKILL ? -pid_ : pid_, signal);
}

bool Child::WaitFor(int64_t timeout_micros) {
  const os::SystemClock clock;
  const int64_t deadline = clock.MonotonicMicros() + timeout_micros;
  while (Running()) {
    if (clock.MonotonicMicros() >= deadline) return false;
    usleep(kPollMicros);
  }
  return true;
}

bool Child::Stop(int64_t timeout_micros) {
  if (!Running()) return true;
  Signal(SIGTERM);
  if (WaitFor(timeout_micros)) return true;
  Signal(SIGKILL);
  WaitFor(kLongestWaitMicros);
  return false;
}

Status RunProgram(const std::vector<std::string>& argv, const std::string& log_path,
                  int64_t timeout_micros) {
  TARN_ASSIGN_OR_RETURN(Child child, Child::Spawn(argv, log_path));
  if (!child.WaitFor(timeout_micros)) {
    return DeadlineExceeded(fmt::format("{} took longer than {} s; see {}", argv[0],
                                        timeout_micros / kMicrosPerSecond, log_path));
  }
  if (child.exit_status() == 0) return {};
  os::PosixFileSystem fs;
  auto output = fs.ReadFile(log_path);
  std::string tail = output.ok() ? *output : "";
  while (tail.ends_with('\n')) tail.pop_back();
  constexpr size_t kTail = 400;
  if (tail.size() > kTail) tail.erase(0, tail.size() - kTail);
  return IoError(fmt::format("{} ended with status {}: {}", argv[0], child.exit_status(), tail));
}

void Supervised::Poll(int64_t monotonic_micros) {
  if (child_.Running() || monotonic_micros < next_start_) return;
  if (starts_ > 0 && started_at_ >= 0) {  // it has just been seen dead
    if (monotonic_micros - started_at_ > kHealthyMicros) wait_micros_ = 0;
    started_at_ = -1;
    next_start_ = monotonic_micros + wait_micros_;
    wait_micros_ = std::clamp(wait_micros_ * 2, kFirstWaitMicros, kLongestWaitMicros);
    if (monotonic_micros < next_start_) return;
  }
  auto child = Child::Spawn(argv_, log_path_);
  ++starts_;
  started_at_ = monotonic_micros;
  if (child.ok()) child_ = std::move(child).value();
}

}  // namespace tarn::demo
