#pragma once

#include <cstdint>
#include <mutex>

#include "base/id.h"

namespace tarn::os {

// Random bits. Injected, so that one seed reproduces a test. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  Uuid NewUuidV7(Timestamp now);
};

// The kernel's generator (getrandom).
class SystemRandom final : public Random {
 public:
  uint64_t Next() override;
};

// xoshiro256** (Blackman, Vigna), seeded by splitmix64.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t Next() override;

 private:
  std::mutex mutex_;
  uint64_t state_[4];
};

}  // namespace tarn::os
