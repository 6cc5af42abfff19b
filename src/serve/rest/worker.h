#pragma once

#include <functional>
#include <string>
#include <utility>

#include "os/queue.h"
#include "os/thread.h"

namespace tarn::serve::rest {

// A thread for requests that wait or read files; I/O threads hand them over. A full queue refuses.
class Worker {
 public:
  using Task = std::function<void()>;
  static constexpr size_t kMaxQueued = 256;

  explicit Worker(std::string name)
      : tasks_(kMaxQueued), thread_(std::move(name), [this] { Run(); }) {}
  ~Worker() { Stop(); }

  // False if the queue is full or the worker has stopped.
  bool Post(Task task) { return tasks_.TryPush(task); }
  // What is queued is finished first.
  void Stop() {
    tasks_.Close();
    thread_.Join();
  }

 private:
  void Run() {
    while (auto task = tasks_.Pop()) (*task)();
  }

  os::Queue<Task> tasks_;
  os::Thread thread_;
};

}  // namespace tarn::serve::rest
