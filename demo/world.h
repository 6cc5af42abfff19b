#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "demo/hit.h"
#include "demo/products.h"
#include "demo/session.h"

namespace tarn::demo {

struct WorldOptions {
  uint64_t seed = 1;
  // Which run of the same seed: 0 is the history, 1 the first live run, and so on. Visitors,
  // customers and products are the same in all; the sessions are others.
  uint32_t epoch = 0;
  Timestamp start;              // the first hit is at or after this
  double hits_per_second = 40;  // on average
  int servers = kServerCount;   // 1 … kServerCount; roles fold onto those there are
  bool seasonal = false;        // hour of the day and day of the week shape the rate
  double think_scale = 1.0;     // people wait this much longer between clicks
};

// Everything that happens at the shop, in time order: a stream without end, the same for the same
// options. Sessions already under way at `start` are part of it, so the rate is right from the
// first second. Memory: the sessions under way. Thread-confined.
class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(World&&) noexcept;
  World& operator=(World&&) noexcept;

  // The next hit. Valid until the next call.
  const Hit& Next();
  uint64_t sessions_started() const { return next_session_; }

 private:
  struct Active {
    std::vector<Hit> hits;
    size_t next = 0;
  };
  void StartSession();
  double RateAt(Timestamp time) const;
  void PushHeap(size_t slot);
  size_t PopHeap();

  WorldOptions options_;
  SessionMaker maker_;
  double sessions_per_second_ = 0;
  uint64_t next_session_ = 0;
  Timestamp next_arrival_;
  std::vector<Active> active_;  // slots
  std::vector<size_t> free_slots_;
  std::vector<size_t> heap_;  // slots, earliest next hit first
  Hit current_;
};

}  // namespace tarn::demo
