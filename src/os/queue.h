#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "os/mutex.h"

namespace tarn::os {

// A bounded queue of batches between threads. A full queue blocks the pusher: that is all the
// back-pressure there is. Thread-safe.
template <typename T>
class Queue {
 public:
  explicit Queue(size_t capacity) : capacity_(capacity) {}

  // Blocks while full. False once the queue is closed; the item is then dropped.
  bool Push(T item) {
    MutexLock lock(mutex_);
    while (items_.size() >= capacity_ && !closed_) not_full_.Wait(mutex_);
    if (closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return true;
  }

  // False if full or closed; the item is left as it was.
  bool TryPush(T& item) {
    MutexLock lock(mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return true;
  }

  // Blocks while empty. nullopt once the queue is closed and drained.
  std::optional<T> Pop() {
    MutexLock lock(mutex_);
    while (items_.empty() && !closed_) not_empty_.Wait(mutex_);
    return TakeFront();
  }

  // Like Pop, but gives up after `micros` with nullopt; closed() tells the two apart.
  std::optional<T> PopFor(int64_t micros) {
    MutexLock lock(mutex_);
    while (items_.empty() && !closed_) {
      if (!not_empty_.WaitFor(mutex_, micros)) break;
    }
    return TakeFront();
  }

  // Pushers are refused from now on; poppers drain what is left.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    not_empty_.NotifyAll();
    not_full_.NotifyAll();
  }

  bool closed() {
    MutexLock lock(mutex_);
    return closed_;
  }
  size_t size() {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  std::optional<T> TakeFront() TARN_REQUIRES(mutex_) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    not_full_.NotifyOne();
    return item;
  }

  const size_t capacity_;
  Mutex mutex_;
  ConditionVariable not_empty_;
  ConditionVariable not_full_;
  std::deque<T> items_ TARN_GUARDED_BY(mutex_);
  bool closed_ TARN_GUARDED_BY(mutex_) = false;
};

}  // namespace tarn::os
