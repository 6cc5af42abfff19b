#pragma once

#include <condition_variable>
#include <mutex>

// Clang's thread-safety analysis; nothing to g++.
#if defined(__clang__)
#define TARN_ATTRIBUTE(x) __attribute__((x))
#else
#define TARN_ATTRIBUTE(x)
#endif
#define TARN_GUARDED_BY(mutex) TARN_ATTRIBUTE(guarded_by(mutex))
#define TARN_REQUIRES(mutex) TARN_ATTRIBUTE(requires_capability(mutex))

namespace tarn::os {

class TARN_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() TARN_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() TARN_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class ConditionVariable;
  std::mutex mutex_;
};

class TARN_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TARN_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() TARN_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class ConditionVariable {
 public:
  void Wait(Mutex& mutex) TARN_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False when the time ran out.
  bool WaitFor(Mutex& mutex, int64_t micros) TARN_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const auto status = condition_.wait_for(lock, std::chrono::microseconds(micros));
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace tarn::os
