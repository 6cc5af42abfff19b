#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/api_key.h"
#include "base/result.h"
#include "os/clock.h"
#include "os/mutex.h"

namespace tarn::auth {

// Failed attempts since the last report; at most one report a minute, whatever the number of
// failures.
struct FailureReport {
  uint64_t failures = 0;
  std::string last_peer;
  std::string last_reason;
};

// Says who sent a request, by its Authorization header. Thread-safe.
class Authenticator {
 public:
  // Called outside any lock, on the thread that asked. `clock` must outlive this.
  using Report = std::function<void(const FailureReport&)>;
  Authenticator(KeyRing ring, const os::Clock& clock, Report report);

  // "Bearer tarn_…", or "Basic …" with the key as its password (any user name), for tools that know
  // nothing else. Unauthenticated if it is missing, malformed or unknown; the message does not say
  // which keys exist.
  Result<Principal> Check(std::optional<std::string_view> authorization, std::string_view peer);

  // From now on these keys count, for new requests.
  void Replace(KeyRing ring);

 private:
  Error Fail(std::string_view peer, std::string reason);

  const os::Clock& clock_;
  const Report report_;
  os::Mutex mutex_;
  KeyRing ring_ TARN_GUARDED_BY(mutex_);
  FailureReport pending_ TARN_GUARDED_BY(mutex_);
  std::optional<int64_t> reported_micros_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::auth
