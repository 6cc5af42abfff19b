#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::demo {

// The assortment, stable for a seed (see customers.h).
struct Category {
  std::string_view id;     // "rain-jackets", the path in the shop
  std::string_view name;   // "Rain jackets"
  std::string_view code;   // "RJ", the first part of its SKUs
  int64_t price_cents;     // middle of its prices
  double weather_wet = 0;  // how much more it sells when it rains; for the weather to come
};

struct Product {
  uint32_t number = 0;    // 0 … kProductCount-1
  std::string sku;        // "RJ-1004"
  uint32_t category = 0;  // index for CategoryAt
  std::string name;       // "Fjord rain jacket, blue"
  std::string slug;       // "fjord-rain-jacket-blue"
  int64_t price_cents = 0;
  bool retired = false;  // its page answers 410
};

inline constexpr uint32_t kProductCount = 360;

uint32_t CategoryCount();
const Category& CategoryAt(uint32_t index);
std::vector<Product> MakeProducts(uint64_t seed);

}  // namespace tarn::demo
