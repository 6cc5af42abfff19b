#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/api_key.h"
#include "auth/sigv4.h"
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

// Says who sent a request, by its key or by its AWS signature. Thread-safe.
class Authenticator {
 public:
  // Called outside any lock, on the thread that asked. `clock` must outlive this.
  using Report = std::function<void(const FailureReport&)>;
  Authenticator(KeyRing ring, const os::Clock& clock, Report report);

  // "Bearer tarn_…", or "Basic …" with the key as its password (any user name), for tools that know
  // nothing else. Unauthenticated if it is missing, malformed or unknown; the message does not say
  // which keys exist.
  Result<Principal> Check(std::optional<std::string_view> authorization, std::string_view peer);

  // Of a request that a client of AWS signed; see auth/sigv4.h for both. What they refuse counts
  // as a failure, too.
  SignatureVerdict CheckSigned(const SignedRequest& request, const SigningRules& rules);
  SignatureVerdict CheckSignedHead(const SignedRequest& request, const SigningRules& rules);

  // From now on these keys count, for new requests.
  void Replace(KeyRing ring);

 private:
  std::optional<AwsIdentity> FindAws(std::string_view access_key_id);
  SignatureVerdict Reported(SignatureVerdict verdict, std::string_view peer);
  void CountFailure(std::string_view peer, const std::string& reason);
  Error Fail(std::string_view peer, std::string reason);

  const os::Clock& clock_;
  const Report report_;
  os::Mutex mutex_;
  KeyRing ring_ TARN_GUARDED_BY(mutex_);
  FailureReport pending_ TARN_GUARDED_BY(mutex_);
  std::optional<int64_t> reported_micros_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::auth
