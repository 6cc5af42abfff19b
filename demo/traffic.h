#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "demo/broken.h"
#include "demo/hit.h"
#include "demo/socket.h"
#include "demo/truth.h"
#include "demo/world.h"
#include "os/clock.h"
#include "os/queue.h"
#include "os/thread.h"

namespace tarn::demo {

// One broken client, from connecting to the end of the answer. The status and time of the answer
// are those Apache logs; time 0 if it has none (HTTP/0.9). An error: the answer was not seen.
Result<HttpAnswer> PlayBrokenClient(const BrokenClient& client, int port, bool over_ipv6);

struct TrafficOptions {
  WorldOptions world;
  std::vector<int> ports;         // of the web servers
  std::vector<std::string> logs;  // paths of their access.log, for stray text
};

// Plays the world to real web servers, each hit at its time, and tells the truth what was answered.
// One thread paces, one a server speaks HTTP over kept connections (IPv4 and IPv6), one plays the
// broken clients. A server that does not answer is tried again; hits it cannot take in time are
// late, never dropped, up to the bound of its queue (then the pace waits). Thread-safe.
class Traffic {
 public:
  Traffic(const os::Clock& clock, const TrafficOptions& options, Truth& truth);
  ~Traffic();
  void Start();
  // No new hits; those under way are finished (at most about 10 s). The truth is then complete,
  // though not flushed.
  void Stop();

  uint64_t hits(int server) const { return hits_[static_cast<size_t>(server)].load(); }
  uint64_t rejected(int server) const { return rejected_[static_cast<size_t>(server)].load(); }

 private:
  struct Lane;
  void Pace();
  void Serve(Lane& lane);
  void PlayRequest(Lane& lane, const Hit& hit);
  void PlayBroken(const Hit& hit);
  void PlayStray(const Hit& hit);
  void Count(const Hit& hit, const HttpAnswer& answer);

  const os::Clock& clock_;
  TrafficOptions options_;
  Truth& truth_;
  std::atomic<bool> stop_{false};
  std::array<std::atomic<uint64_t>, kServerCount> hits_{};
  std::array<std::atomic<uint64_t>, kServerCount> rejected_{};
  std::vector<std::unique_ptr<Lane>> lanes_;  // one a server, the last for broken clients
  os::Thread pacer_;
};

}  // namespace tarn::demo
