#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace tarn::demo {

// A child process in its own process group (a terminal's Ctrl-C and window changes do not reach
// it) that gets SIGTERM when the thread that started it dies. When it has ended, in whatever way,
// what is left of its group is killed. Output goes to a log file. Thread-confined. The destructor
// kills it with SIGKILL and reaps it.
class Child {
 public:
  // argv[0] is the path of the program. Io if it cannot be started.
  static Result<Child> Spawn(const std::vector<std::string>& argv, const std::string& log_path);

  Child() = default;
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  int pid() const { return pid_; }
  bool Running();  // reaps, and kills what is left of its group
  // 0-255 as a shell shows it (128 + signal); -1 while it runs.
  int exit_status() const { return exit_status_; }
  void Signal(int signal);
  // True if it ended in time.
  bool WaitFor(int64_t timeout_micros);
  // SIGTERM, wait, SIGKILL. True if SIGTERM was enough.
  bool Stop(int64_t timeout_micros);

 private:
  void Reap(int status);
  int pid_ = 0;  // 0: none or reaped
  int exit_status_ = -1;
};

// Runs a program to its end; its output goes to a log file. Io with the last lines of that output
// if it fails, DeadlineExceeded (and it is killed) if it takes longer.
Status RunProgram(const std::vector<std::string>& argv, const std::string& log_path,
                  int64_t timeout_micros);

// Starts again what died: at once the first time, then after 0.2 s, 0.4 s … 5 s; a minute of life
// resets that. Thread-confined.
class Supervised {
 public:
  Supervised(std::string name, std::vector<std::string> argv, std::string log_path)
      : name_(std::move(name)), argv_(std::move(argv)), log_path_(std::move(log_path)) {}

  // Starts the child if none runs and its wait is over. Call often (10 times a second).
  void Poll(int64_t monotonic_micros);
  bool Stop(int64_t timeout_micros) { return child_.Stop(timeout_micros); }
  void Signal(int signal) { child_.Signal(signal); }
  bool WaitFor(int64_t timeout_micros) { return child_.WaitFor(timeout_micros); }

  const std::string& name() const { return name_; }
  bool Running() { return child_.Running(); }
  int restarts() const { return starts_ > 0 ? starts_ - 1 : 0; }
  int pid() const { return child_.pid(); }

 private:
  std::string name_;
  std::vector<std::string> argv_;
  std::string log_path_;
  Child child_;
  int starts_ = 0;
  int64_t started_at_ = 0;
  int64_t wait_micros_ = 0;
  int64_t next_start_ = 0;
};

}  // namespace tarn::demo
