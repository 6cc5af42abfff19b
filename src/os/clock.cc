#include "os/clock.h"

#include <chrono>

namespace tarn::os {
namespace {

template <typename ChronoClock>
int64_t Micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             ChronoClock::now().time_since_epoch())
      .count();
}

}  // namespace

Timestamp SystemClock::Now() const { return {Micros<std::chrono::system_clock>()}; }
int64_t SystemClock::MonotonicMicros() const { return Micros<std::chrono::steady_clock>(); }

}  // namespace tarn::os
