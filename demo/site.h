#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tarn::demo {

// The document tree behind the shop's paths: what WriteSite makes, the rewrite rules of apache.cc
// map paths to, and the back-fill takes its sizes from.
struct Document {
  std::string_view name;  // "page/home.html"
  uint32_t bytes;
};
inline constexpr std::array kDocuments = std::to_array<Document>({
    {"page/home.html", 18452},     {"page/search.html", 14211},   {"page/category.html", 22873},
    {"page/product0.html", 12090}, {"page/product1.html", 12831}, {"page/product2.html", 13457},
    {"page/product3.html", 14016}, {"page/product4.html", 14872}, {"page/product5.html", 15503},
    {"page/product6.html", 16120}, {"page/product7.html", 16991}, {"page/product8.html", 17345},
    {"page/product9.html", 18101}, {"page/cart.html", 9123},      {"page/checkout.html", 11044},
    {"page/done.html", 6231},      {"page/account.html", 8895},   {"page/orders.html", 10482},
    {"page/returns.html", 7310},   {"page/404.html", 2142},       {"page/410.html", 1877},
    {"page/500.html", 1203},       {"img/s.jpg", 6120},           {"img/m.jpg", 21877},
    {"img/l.jpg", 58211},          {"assets/app.css", 24113},     {"assets/app.js", 48731},
    {"assets/logo.svg", 3219},     {"assets/tour.mp4", 204800},   {"robots.txt", 133},
    {"sitemap.xml", 9920},         {"favicon.ico", 1150},         {"api/stock.json", 412},
});

// 0 if there is none of that name.
constexpr uint32_t DocumentBytes(std::string_view name) {
  for (const Document& document : kDocuments) {
    if (document.name == name) return document.bytes;
  }
  return 0;
}

}  // namespace tarn::demo
