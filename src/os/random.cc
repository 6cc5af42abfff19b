#include "os/random.h"

#include <sys/random.h>

#include <bit>
#include <cstring>

#include "base/check.h"

namespace tarn::os {

Uuid Random::NewUuidV7(Timestamp now) {
  const uint64_t words[2] = {Next(), Next()};
  std::array<uint8_t, 10> bytes{};
  std::memcpy(bytes.data(), words, bytes.size());
  return MakeUuidV7(now, bytes);
}

uint64_t SystemRandom::Next() {
  uint64_t value = 0;
  TARN_CHECK(getrandom(&value, sizeof value, 0) == sizeof value);
  return value;
}

SeededRandom::SeededRandom(uint64_t seed) : state_{} {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31);
  }
}

uint64_t SeededRandom::Next() {
  const std::lock_guard lock(mutex_);
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace tarn::os
