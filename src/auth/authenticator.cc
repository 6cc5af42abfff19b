#include "auth/authenticator.h"

#include <algorithm>
#include <array>

#include "codec/hash.h"

namespace tarn::auth {
namespace {

constexpr int64_t kReportIntervalMicros = 60 * kMicrosPerSecond;
// Longer than any key of ours; nothing longer is hashed.
constexpr size_t kMaxCredentialBytes = 512;

bool TakeScheme(std::string_view& text, std::string_view scheme) {
  if (text.size() <= scheme.size() || text[scheme.size()] != ' ') return false;
  for (size_t i = 0; i < scheme.size(); ++i) {
    const char c = text[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    if (lower != scheme[i]) return false;
  }
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ', scheme.size())));
  return true;
}

// Padding may be missing; anything else that is no base64 is nullopt.
std::optional<std::string> DecodeBase64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return out;
}

// The key in an Authorization header; nullopt if there is none.
std::optional<std::string> KeyOf(std::string_view authorization) {
  if (authorization.size() > kMaxCredentialBytes) return std::nullopt;
  if (TakeScheme(authorization, "bearer")) return std::string(authorization);
  if (!TakeScheme(authorization, "basic")) return std::nullopt;
  const auto pair = DecodeBase64(authorization);
  if (!pair) return std::nullopt;
  const size_t colon = pair->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return pair->substr(colon + 1);
}

}  // namespace

Authenticator::Authenticator(KeyRing ring, const os::Clock& clock, Report report)
    : clock_(clock), report_(std::move(report)), ring_(std::move(ring)) {}

void Authenticator::Replace(KeyRing ring) {
  os::MutexLock lock(mutex_);
  ring_ = std::move(ring);
}

Result<Principal> Authenticator::Check(std::optional<std::string_view> authorization,
                                       std::string_view peer) {
  if (!authorization) return Fail(peer, "no Authorization header; send 'Bearer <key>'");
  const auto key = KeyOf(*authorization);
  if (!key) return Fail(peer, "the Authorization header holds no key; send 'Bearer <key>'");
  const std::string hash = codec::Sha256(*key);
  std::optional<Principal> found;
  {
    os::MutexLock lock(mutex_);
    // Every key is compared, so that the time says nothing about which one came near.
    for (const KeyRing::Key& known : ring_.keys()) {
      if (codec::ConstantTimeEqual(known.hash, hash)) found = known.principal;
    }
  }
  if (!found) return Fail(peer, "the key is not known here");
  return *std::move(found);
}

Error Authenticator::Fail(std::string_view peer, std::string reason) {
  std::optional<FailureReport> due;
  {
    os::MutexLock lock(mutex_);
    ++pending_.failures;
    pending_.last_peer = peer;
    pending_.last_reason = reason;
    const int64_t now = clock_.MonotonicMicros();
    if (!reported_micros_ || now - *reported_micros_ >= kReportIntervalMicros) {
      reported_micros_ = now;
      due = std::exchange(pending_, {});
    }
  }
  if (due && report_) report_(*due);
  return Unauthenticated(std::move(reason));
}

}  // namespace tarn::auth
