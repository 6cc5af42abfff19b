#include "demo/products.h"

#include <fmt/format.h>

#include <array>

#include "demo/rng.h"

namespace tarn::demo {
namespace {

constexpr std::array kCategories = std::to_array<Category>({
    {"rain-jackets", "Rain jackets", "RJ", 12900, 1.6},
    {"boots", "Boots", "BT", 14900, 0.8},
    {"tents", "Tents", "TN", 34900, -0.5},
    {"backpacks", "Backpacks", "BP", 9900, 0.0},
    {"sleeping-bags", "Sleeping bags", "SB", 15900, -0.2},
    {"stoves", "Stoves", "ST", 6900, -0.3},
    {"bikes", "Bikes", "BK", 89900, -0.6},
    {"umbrellas", "Umbrellas", "UM", 2900, 2.5},
    {"sun-hats", "Sun hats", "SH", 2490, -0.9},
    {"base-layers", "Base layers", "BL", 4900, 0.3},
    {"lamps", "Lamps", "LM", 3900, 0.1},
    {"gift-cards", "Gift cards", "GC", 5000, 0.0},
});
constexpr std::array<std::string_view, 16> kLines = {
    "Fjord",  "Heath",  "Summit", "Dune", "Birch", "Tarn",   "Kestrel", "Lagoon",
    "Meadow", "Nordic", "Osprey", "Pine", "Ridge", "Skerry", "Tundra",  "Vale"};
constexpr std::array<std::string_view, 10> kColours = {
    "blue", "red", "green", "black", "grey", "sand", "orange", "yellow", "navy", "olive"};

std::string Slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  return out;
}

}  // namespace

uint32_t CategoryCount() { return static_cast<uint32_t>(kCategories.size()); }
const Category& CategoryAt(uint32_t index) { return kCategories[index]; }

std::vector<Product> MakeProducts(uint64_t seed) {
  std::vector<Product> products(kProductCount);
  for (uint32_t number = 0; number < kProductCount; ++number) {
    Rng rng(Mix(seed, 0x960d, number));
    Product& product = products[number];
    product.number = number;
    product.category = number % CategoryCount();
    const Category& category = CategoryAt(product.category);
    product.sku = fmt::format("{}-{}", category.code, 1000 + number);
    const std::string noun = Slug(category.name.substr(0, category.name.size() - 1));
    product.name = fmt::format("{} {}, {}", kLines[rng.Below(kLines.size())], noun,
                               kColours[rng.Below(kColours.size())]);
    product.slug = Slug(product.name);
    // Prices end in 90 cents, between 60 % and 180 % of the middle of the category.
    product.price_cents = category.price_cents * rng.Between(60, 180) / 100 / 100 * 100 + 90;
    product.retired = rng.Below(40) == 0;
  }
  return products;
}

}  // namespace tarn::demo
