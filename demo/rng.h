#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tarn::demo {

// Mixes words into one well-spread word (the finaliser of splitmix64, Vigna). Stable for ever:
// ids and sessions of the world hang on it.
constexpr uint64_t Mix(uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  uint64_t x = a * 0x9e3779b97f4a7c15 ^ (b + 0x632be59bd9b4e019) * 0xd6e8feb86659fd93 ^
               (c + 0x8cb92ba72f3d8dd7) * 0xa0761d6478bd642f;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A small generator with value semantics: every session has its own, so that what one visitor does
// never depends on the order in which sessions are drawn. Thread-confined.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(Mix(seed)) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    return Mix(state_);
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }  // [0, bound), bound > 0
  int64_t Between(int64_t low, int64_t high) {               // [low, high]
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }  // [0, 1)
  bool Chance(double probability) { return Unit() < probability; }
  double Exponential(double mean);
  // Log-normal with this median; sigma is the spread of the logarithm.
  double LogNormal(double median, double sigma);
  // An index, small ones more often: Zipf-like with weight 1/(i+1).
  size_t Skewed(size_t count);
  // An index drawn by weight; weights are not negative and not all zero.
  size_t Weighted(std::span<const double> weights);

 private:
  uint64_t state_;
};

}  // namespace tarn::demo
