#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/events.h"
#include "agent/settings.h"
#include "agent/tailer.h"
#include "agent/transport.h"
#include "codec/zstd.h"
#include "os/clock.h"
#include "os/random.h"

namespace tarn::agent {

// Sends batches one after the other and says what the server thinks of them. It never gives a batch
// up: what may succeed later is tried again until it does. Thread-confined.
class Shipper {
 public:
  static constexpr int64_t kFirstBackoffMicros = 100'000;
  static constexpr int64_t kMaxBackoffMicros = 10'000'000;
  static constexpr int64_t kKeyBackoffMicros = 30'000'000;
  static constexpr int64_t kMaxRetryAfterSeconds = 300;

  Shipper(Transport& transport, const AgentSettings& settings, const os::Clock& clock,
          os::Random& random, Events& events)
      : transport_(transport),
        settings_(settings),
        clock_(clock),
        random_(random),
        events_(events) {}

  // Takes up a batch. False: it follows one that failed, and is dropped; the tailer reads it again.
  bool Begin(PendingBatch batch);
  // One try. The outcome, or nullopt: try again after wait_micros().
  std::optional<Outcome> Try();
  int64_t wait_micros() const { return wait_micros_; }
  // Why the last try did not succeed; null: it did. Unauthenticated and PermissionDenied: the key,
  // or the server's certificate.
  const Error* problem() const { return problem_ ? &*problem_ : nullptr; }
  size_t file_bytes() const { return payload_bytes_; }

 private:
  std::optional<Outcome> Retry(Error problem, int64_t wait_micros);
  std::optional<Outcome> Judge(const HttpResponse& response);
  Outcome OutcomeOf(Answer answer, const HttpResponse& response) const;
  int64_t Backoff();

  Transport& transport_;
  const AgentSettings& settings_;
  const os::Clock& clock_;
  os::Random& random_;
  Events& events_;

  codec::ZstdCompressor compressor_{1};
  PendingBatch batch_;  // without its payload
  std::string body_;
  size_t payload_bytes_ = 0;
  uint64_t attempts_ = 0;
  int64_t started_ = 0;
  int64_t wait_micros_ = 0;
  std::optional<Error> problem_;
  std::map<uint64_t, uint32_t> failed_;  // slot → epoch whose later batches are void
};

}  // namespace tarn::agent
