#include "demo/world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace tarn::demo {
namespace {

// Share of an average hour's sessions, by hour of the day (UTC) and day of the week (Monday first).
constexpr std::array<double, 24> kHourShape = {0.35, 0.22, 0.16, 0.14, 0.18, 0.35, 0.62, 0.85,
                                               1.02, 1.12, 1.18, 1.24, 1.30, 1.20, 1.12, 1.10,
                                               1.14, 1.25, 1.48, 1.72, 1.84, 1.62, 1.06, 0.74};
constexpr std::array<double, 7> kDayShape = {0.98, 0.92, 0.93, 0.97, 0.95, 1.05, 1.20};
constexpr double kMaxShape = 1.84 * 1.20;

// How long before the start sessions begin whose tail still shows.
constexpr double kWarmUpSeconds = 1'200;

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      maker_({options.seed, options.epoch, options.servers, options.think_scale}) {
  sessions_per_second_ = options.hits_per_second / maker_.MeanHits();
  const double warm_up = kWarmUpSeconds * options.think_scale;
  next_arrival_.micros = options.start.micros - static_cast<int64_t>(warm_up * 1e6);
  while (next_arrival_ < options_.start) StartSession();
}
World::~World() = default;
World::World(World&&) noexcept = default;
World& World::operator=(World&&) noexcept = default;

double World::RateAt(Timestamp time) const {
  if (!options_.seasonal) return sessions_per_second_;
  const auto hour = static_cast<size_t>(FloorDiv(time.micros, kMicrosPerHour) % 24);
  // 1970-01-01 was a Thursday.
  const auto day = static_cast<size_t>((FloorDiv(time.micros, kMicrosPerDay) + 3) % 7);
  return sessions_per_second_ * kHourShape[hour] * kDayShape[day];
}

// Starts the session due at next_arrival_, if the hour's rate lets it (thinning), and draws when
// the next one is due.
void World::StartSession() {
  const double max_rate = sessions_per_second_ * (options_.seasonal ? kMaxShape : 1.0);
  const uint64_t number = next_session_++;
  Rng rng(Mix(options_.seed, options_.epoch + 0xa441'0000ULL, number));
  const Timestamp start = next_arrival_;
  next_arrival_.micros += static_cast<int64_t>(rng.Exponential(1.0 / max_rate) * 1e6) + 1;
  if (!rng.Chance(RateAt(start) / max_rate)) return;

  Active session;
  session.hits = maker_.Make(number, start);
  while (session.next < session.hits.size() && session.hits[session.next].time < options_.start) {
    ++session.next;
  }
  if (session.next == session.hits.size()) return;
  size_t slot = active_.size();
  if (free_slots_.empty()) {
    active_.push_back(std::move(session));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    active_[slot] = std::move(session);
  }
  PushHeap(slot);
}

void World::PushHeap(size_t slot) {
  heap_.push_back(slot);
  std::push_heap(heap_.begin(), heap_.end(), [this](size_t a, size_t b) {
    const Timestamp left = active_[a].hits[active_[a].next].time;
    const Timestamp right = active_[b].hits[active_[b].next].time;
    return left != right ? left > right : a > b;
  });
}

size_t World::PopHeap() {
  std::pop_heap(heap_.begin(), heap_.end(), [this](size_t a, size_t b) {
    const Timestamp left = active_[a].hits[active_[a].next].time;
    const Timestamp right = active_[b].hits[active_[b].next].time;
    return left != right ? left > right : a > b;
  });
  const size_t slot = heap_.back();
  heap_.pop_back();
  return slot;
}

const Hit& World::Next() {
  while (heap_.empty() ||
         next_arrival_ <= active_[heap_.front()].hits[active_[heap_.front()].next].time) {
    StartSession();
  }
  const size_t slot = PopHeap();
  Active& session = active_[slot];
  current_ = std::move(session.hits[session.next]);
  if (++session.next < session.hits.size()) {
    PushHeap(slot);
  } else {
    session.hits.clear();
    free_slots_.push_back(slot);
  }
  return current_;
}

}  // namespace tarn::demo
