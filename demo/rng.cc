#include "demo/rng.h"

#include <cmath>

namespace tarn::demo {

double Rng::Exponential(double mean) { return -mean * std::log1p(-Unit()); }

double Rng::LogNormal(double median, double sigma) {
  // Box and Muller; the second value is not kept, so that a draw costs the same two words always.
  const double radius = std::sqrt(-2.0 * std::log1p(-Unit()));
  const double angle = 6.283185307179586 * Unit();
  return median * std::exp(sigma * radius * std::cos(angle));
}

size_t Rng::Skewed(size_t count) {
  // Inverse of the continuous 1/(x+1) distribution on [0, count).
  const double value = std::exp(Unit() * std::log(static_cast<double>(count) + 1.0)) - 1.0;
  const auto index = static_cast<size_t>(value);
  return index < count ? index : count - 1;
}

size_t Rng::Weighted(std::span<const double> weights) {
  double total = 0;
  for (const double weight : weights) total += weight;
  double at = Unit() * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    at -= weights[i];
    if (at < 0) return i;
  }
  return weights.size() - 1;
}

}  // namespace tarn::demo
