#pragma once

#include <cstdint>
#include <vector>

#include "demo/campaigns.h"
#include "demo/customers.h"
#include "demo/hit.h"
#include "demo/products.h"
#include "demo/rng.h"

namespace tarn::demo {

// What the web servers of the shop do. With fewer than four, roles fold (role % servers).
enum class Role : uint8_t {
  kPagesA,  // w1: pages
  kPagesB,  // w2: pages
  kStatic,  // w3: images and assets
  kSecure,  // w4: cart, checkout, account, api
};

struct SessionOptions {
  uint64_t seed = 1;
  uint32_t epoch = 0;
  int servers = kServerCount;
  double think_scale = 1.0;
};

// Makes whole sessions: of people, crawlers, scanners, broken clients, and stray text in the log.
// Session n of an epoch is a function of (seed, epoch, n) and its start alone. Thread-confined.
class SessionMaker {
 public:
  explicit SessionMaker(const SessionOptions& options);

  // The hits of session `number`, which begins at `start`, ascending by time; never empty.
  std::vector<Hit> Make(uint64_t number, Timestamp start) const;
  // The average number of hits of a session.
  double MeanHits() const { return mean_hits_; }
  const std::vector<Product>& products() const { return products_; }

 private:
  SessionOptions options_;
  std::vector<Product> products_;
  double mean_hits_ = 0;
};

}  // namespace tarn::demo
