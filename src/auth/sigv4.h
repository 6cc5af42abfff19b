#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "auth/api_key.h"
#include "base/time.h"

namespace tarn::auth {

// Requests that clients of AWS sign, by AWS Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html): in the Authorization
// header or, presigned, in the query; for any region. Single pieces of it: auth/sigv4_claim.h,
// auth/sigv4_canonical.h, auth/aws_chunked.h.

// A request as it came; the views outlive the check.
struct SignedRequest {
  using Field = std::pair<std::string_view, std::string_view>;

  std::string_view method;     // "POST"
  std::string_view path;       // as sent, percent-encoding left in
  std::string_view query;      // the same, without '?'
  std::vector<Field> headers;  // in the order they came; values have no CR, LF or NUL
  std::string_view body;       // as sent: of aws-chunked, with the chunks' frames
  std::string_view peer;       // for reports
  // Of the body, 32 bytes, where the caller has it already; else it is computed.
  std::optional<std::string_view> body_sha256;
};

struct SigningRules {
  std::string_view service;  // "firehose". The paths of "s3" alone are not normalised.
  // Bodies that no signature covers: UNSIGNED-PAYLOAD and STREAMING-UNSIGNED-PAYLOAD-TRAILER. For
  // connections with TLS at most.
  bool allow_unsigned_payload = false;
  uint64_t max_payload_bytes = 16 << 20;  // that the chunks of an aws-chunked body may hold
};

// Why a request is refused.
enum class SignatureFault : uint8_t {
  kMissing,          // neither an Authorization header nor a presigned query
  kIncomplete,       // something is absent, doubled, malformed, past a limit, or unknown
  kExpired,          // signed more than 5 minutes ago, or X-Amz-Expires is over
  kNotYetCurrent,    // signed more than 5 minutes from now
  kUnsignedHeader,   // a header that AWS wants signed is not
  kWrongScope,       // the credential's date, region, service or terminator
  kSecurityToken,    // temporary credentials, which Tarn does not have
  kUnknownKey,       // no such access key id
  kMismatch,         // signature, or that of a chunk
  kUnsignedPayload,  // and the rules do not allow it
  kPayloadMismatch,  // x-amz-content-sha256 is not the body's
  kMalformedBody,    // aws-chunked that cannot be decoded
};
// As the JSON protocols of AWS call it in `__type`: "InvalidSignatureException".
std::string_view AwsErrorName(SignatureFault fault);

struct SignatureFailure {
  SignatureFault fault;
  std::string message;  // for a person, in AWS's words where it has some; holds no signature
};

struct SignedCaller {
  Principal principal;
  // Of an aws-chunked body alone: what its chunks hold, and the fields that follow them. The
  // checksums among these are not checked.
  std::optional<std::string> payload;
  std::vector<std::pair<std::string, std::string>> trailers;  // names in lower case
};

using SignatureVerdict = std::variant<SignedCaller, SignatureFailure>;

// Who has an access key id; nullopt: nobody.
struct AwsIdentity {
  Principal principal;
  std::string secret_access_key;
};
using FindAwsIdentity = std::function<std::optional<AwsIdentity>(std::string_view access_key_id)>;

// Pure: thread-safe if `find` is. A signature can be used again until it is too old, as with AWS:
// TLS keeps others from seeing it.
SignatureVerdict CheckSigned(const SignedRequest& request, const SigningRules& rules, Timestamp now,
                             const FindAwsIdentity& find);

// The same before the body is there, to refuse early: does not look at `body`. A request with
// x-amz-content-sha256 is proven to be the caller's but for its body; of another, the caller is who
// it says it is if CheckSigned agrees later.
SignatureVerdict CheckSignedHead(const SignedRequest& request, const SigningRules& rules,
                                 Timestamp now, const FindAwsIdentity& find);

}  // namespace tarn::auth
