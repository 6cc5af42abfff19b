#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/sigv4.h"
#include "auth/sigv4_canonical.h"
#include "base/time.h"

namespace tarn::auth {

// What a request says of its signature, nothing of it proven.
struct SignatureClaim {
  std::string access_key_id;
  std::string date;  // of the scope: "20150830", as sent
  std::string region;
  std::string service;
  std::string terminator;
  std::vector<std::string> signed_headers;  // ascending
  std::string signature;                    // as sent
  Timestamp time;                           // when it was signed
  std::string_view time_header;             // the header that says so; empty if presigned
  std::optional<int64_t> expires_seconds;   // if presigned

  std::string Scope() const;  // "20150830/us-east-1/firehose/aws4_request"
};

// Bounds, next to which the server's own limit on a header is large.
inline constexpr size_t kMaxAuthorizationBytes = 8 << 10;
inline constexpr size_t kMaxQueryBytes = 16 << 10;
inline constexpr size_t kMaxHeaderFields = 200;
inline constexpr size_t kMaxSignedHeaders = 100;
inline constexpr int64_t kMaxExpiresSeconds = 7 * 86'400;  // AWS's own

// The claim of the Authorization header or of a presigned query; `query` is that of the request.
// kMissing and kIncomplete.
std::variant<SignatureClaim, SignatureFailure> ReadClaim(const SignedRequest& request,
                                                         const QueryParams& query);

// The value of the only header of that name; nullopt if there is none. ReadClaim has refused
// requests that have two where one is meant.
std::optional<std::string_view> FindHeader(const SignedRequest& request, std::string_view name);

// "20150830T123600Z"; nullopt for anything else.
std::optional<Timestamp> ParseAmzTime(std::string_view text);
std::string FormatAmzTime(Timestamp time);  // whole seconds
// "Sun, 30 Aug 2015 12:36:00 GMT" (RFC 9110's IMF-fixdate), or with "-0000" as botocore writes
// it; the day of the week is not looked at.
std::optional<Timestamp> ParseHttpDate(std::string_view text);

// Foreign text for a message: in quotes, without control characters, in valid UTF-8, and not too
// long.
std::string Quoted(std::string_view text);

}  // namespace tarn::auth
