#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace tarn::os {

// Where time comes from. Injected everywhere, so a test can move it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time; may jump.
  virtual Timestamp Now() const = 0;
  // Never goes back; for durations and deadlines only. Microseconds from an arbitrary start.
  virtual int64_t MonotonicMicros() const = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp Now() const override;
  int64_t MonotonicMicros() const override;
};

// A clock that moves when told.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Timestamp start) : wall_micros_(start.micros) {}
  Timestamp Now() const override { return {wall_micros_.load()}; }
  int64_t MonotonicMicros() const override { return monotonic_micros_.load(); }
  void Advance(int64_t micros) {
    wall_micros_ += micros;
    monotonic_micros_ += micros;
  }
  // The wall clock jumps, as after an NTP step; monotonic time does not.
  void JumpTo(Timestamp time) { wall_micros_ = time.micros; }

 private:
  std::atomic<int64_t> wall_micros_;
  std::atomic<int64_t> monotonic_micros_{0};
};

}  // namespace tarn::os
