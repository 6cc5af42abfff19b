#include "demo/world.h"

#include <array>
#include <map>
#include <set>
#include <string>

#include "demo/broken.h"
#include "demo/customers.h"
#include "demo/log_line.h"

namespace tarn::demo {
namespace {

constexpr Timestamp kStart{1'795'530'000 * kMicrosPerSecond};

WorldOptions Options(uint64_t seed = 1, uint32_t epoch = 0) {
  WorldOptions options;
  options.seed = seed;
  options.epoch = epoch;
  options.start = kStart;
  options.hits_per_second = 50;
  return options;
}

std::string Lines(const WorldOptions& options, int count) {
  World world(options);
  std::string out;
  for (int i = 0; i < count; ++i) AppendLogLine(out, world.Next());
  return out;
}

TEST(World, IsTheSameForASeed) { EXPECT_EQ(Lines(Options(), 20'000), Lines(Options(), 20'000)); }

TEST(World, IsAnotherForAnotherSeedOrEpoch) {
  EXPECT_NE(Lines(Options(1), 200), Lines(Options(2), 200));
  EXPECT_NE(Lines(Options(1, 0), 200), Lines(Options(1, 1), 200));
}

TEST(World, TimeNeverGoesBackAndBeginsAtTheStart) {
  World world(Options());
  Timestamp last = kStart;
  for (int i = 0; i < 50'000; ++i) {
    const Hit& hit = world.Next();
    ASSERT_GE(hit.time, last);
    last = hit.time;
  }
}

TEST(World, KeepsTheRateFromTheFirstMinuteOn) {
  World world(Options());
  std::array<int, 20> minutes{};
  for (;;) {
    const int64_t minute = (world.Next().time.micros - kStart.micros) / (60 * kMicrosPerSecond);
    if (minute >= 20) break;
    ++minutes[static_cast<size_t>(minute)];
  }
  int total = 0;
  for (const int count : minutes) total += count;
  EXPECT_NEAR(total, 50 * 60 * 20, 50 * 60 * 20 * 0.08);
  EXPECT_NEAR(minutes[0], 50 * 60, 50 * 60 * 0.35);
}

TEST(World, IsBusierInTheEveningThanAtNight) {
  WorldOptions options = Options();
  options.seasonal = true;
  options.start = {FloorDiv(kStart.micros, kMicrosPerDay) * kMicrosPerDay};
  options.hits_per_second = 2;
  World world(options);
  std::array<int, 24> hours{};
  for (;;) {
    const int64_t hour = (world.Next().time.micros - options.start.micros) / kMicrosPerHour;
    if (hour >= 24) break;
    ++hours[static_cast<size_t>(hour)];
  }
  EXPECT_GT(hours[20], 4 * hours[3]);
}

TEST(World, HasEverythingAShopSees) {
  World world(Options());
  std::map<int, int> statuses;
  std::set<int> servers;
  std::set<int> broken;
  int stray = 0;
  int ipv6 = 0;
  int users_with_spaces = 0;
  int campaigns = 0;
  constexpr int kHits = 300'000;
  for (int i = 0; i < kHits; ++i) {
    const Hit& hit = world.Next();
    servers.insert(hit.server);
    stray += hit.kind == HitKind::kStrayText ? 1 : 0;
    ipv6 += hit.over_ipv6 ? 1 : 0;
    users_with_spaces += hit.user.find(' ') != std::string::npos ? 1 : 0;
    campaigns += hit.target.find("utm_campaign=") != std::string::npos ? 1 : 0;
    if (hit.kind == HitKind::kBroken) broken.insert(hit.broken);
    if (hit.kind == HitKind::kRequest) ++statuses[hit.status];
  }
  for (const int status : {200, 206, 301, 302, 304, 401, 404, 410, 500}) {
    EXPECT_GT(statuses[status], 0) << status;
  }
  EXPECT_EQ(servers.size(), 4U);
  EXPECT_EQ(broken.size(), BrokenClientCount());
  EXPECT_NEAR(stray, 1e-3 * kHits, 0.5e-3 * kHits);
  EXPECT_GT(ipv6, kHits / 10);
  EXPECT_GT(users_with_spaces, 0);
  EXPECT_GT(campaigns, 500);
}

TEST(World, FoldsItsRolesOntoFewerServers) {
  WorldOptions options = Options();
  options.servers = 2;
  World world(options);
  for (int i = 0; i < 20'000; ++i) ASSERT_LT(world.Next().server, 2);
}

// A shop database filled by a later version must find the same people and things.
TEST(World, ItsCustomersAndProductsStayWhatTheyAre) {
  const Customer customer = CustomerAt(1, 42);
  EXPECT_EQ(customer.id, "C000042");
  EXPECT_EQ(customer.email, "martin.keller42@example.org");
  EXPECT_EQ(CityAt(customer.city).name, "London");
  EXPECT_EQ(AddressOf(1, 42, customer.city), "198.19.59.99");
  const std::vector<Product> products = MakeProducts(1);
  ASSERT_EQ(products.size(), kProductCount);
  EXPECT_EQ(products[4].sku, "SB-1004");
  EXPECT_EQ(products[4].name, "Tarn sleeping-bag, olive");
  EXPECT_EQ(products[4].price_cents, 23590);
}

TEST(World, ALoginBelongsToOneCustomer) {
  std::set<std::string> logins;
  for (uint32_t number = 1; number <= kCustomerCount; ++number) {
    const std::string login = CustomerAt(3, number).login;
    EXPECT_EQ(login.find(':'), std::string::npos) << "it ends the name in a password file";
    EXPECT_TRUE(logins.insert(login).second) << login;
  }
}

}  // namespace
}  // namespace tarn::demo
