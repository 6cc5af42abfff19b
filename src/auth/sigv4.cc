#include "auth/sigv4.h"

#include <algorithm>
#include <array>

#include "auth/aws_chunked.h"
#include "auth/sigv4_canonical.h"
#include "auth/sigv4_claim.h"
#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"

namespace tarn::auth {
namespace {

using Failed = std::optional<SignatureFailure>;

constexpr int64_t kSkewMicros = 5 * 60 * kMicrosPerSecond;  // AWS's own
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::string_view kMismatchText =
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details.";

struct ChunkedName {
  std::string_view name;
  ChunkedForm form;
};
constexpr std::array<ChunkedName, 3> kChunkedNames = {{
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ChunkedForm::kSigned},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", ChunkedForm::kSignedTrailer},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", ChunkedForm::kUnsignedTrailer},
}};

SignatureFailure Fault(SignatureFault fault, std::string message) {
  return {fault, std::move(message)};
}

bool StartsWithNoCase(std::string_view text, std::string_view prefix) {
  return EqualsNoCase(text.substr(0, prefix.size()), prefix);
}

// One request's check: the steps in the order in which AWS refuses.
class Check {
 public:
  Check(const SignedRequest& request, const SigningRules& rules, Timestamp now)
      : request_(request), rules_(rules), now_(now), is_s3_(rules.service == "s3") {}

  SignatureVerdict Run(const FindAwsIdentity& find, bool with_body) {
    // Longer ones are refused by ReadClaim.
    if (request_.query.size() <= kMaxQueryBytes) query_ = ParseQuery(request_.query);
    auto claim = ReadClaim(request_, query_);
    if (auto* failure = std::get_if<SignatureFailure>(&claim)) return std::move(*failure);
    claim_ = std::get<SignatureClaim>(std::move(claim));
    if (auto failed = CheckClaim()) return *std::move(failed);
    auto identity = find(claim_.access_key_id);
    if (!identity) {
      return Fault(SignatureFault::kUnknownKey,
                   "The security token included in the request is invalid.");
    }
    SignedCaller caller{std::move(identity->principal), std::nullopt, {}};
    if (auto failed = CheckProof(identity->secret_access_key, with_body, caller))
      return *std::move(failed);
    return caller;
  }

 private:
  Failed CheckClaim() {
    if (auto failed = CheckTime()) return failed;
    if (auto failed = CheckSignedHeaders()) return failed;
    if (auto failed = CheckScope()) return failed;
    if (HasToken()) {
      return Fault(SignatureFault::kSecurityToken,
                   "The security token included in the request is invalid: Tarn has no temporary "
                   "credentials. Use those of `tarn keys create --aws`, without a session token.");
    }
    return ReadPayloadForm();
  }

  Failed CheckTime() const {
    const Timestamp time = claim_.time;
    if (time.micros - now_.micros > kSkewMicros) {
      return Fault(SignatureFault::kNotYetCurrent,
                   "Signature not yet current: " + FormatAmzTime(time) + " is still later than " +
                       FormatAmzTime({now_.micros + kSkewMicros}) + " (" + FormatAmzTime(now_) +
                       " + 5 min.)");
    }
    if (claim_.expires_seconds) {
      const Timestamp end{time.micros + *claim_.expires_seconds * kMicrosPerSecond};
      if (now_ <= end) return {};
      return Fault(SignatureFault::kExpired, "Signature expired: " + FormatAmzTime(end) +
                                                 " is now earlier than " + FormatAmzTime(now_));
    }
    if (now_.micros - time.micros <= kSkewMicros) return {};
    return Fault(SignatureFault::kExpired, "Signature expired: " + FormatAmzTime(time) +
                                               " is now earlier than " +
                                               FormatAmzTime({now_.micros - kSkewMicros}) + " (" +
                                               FormatAmzTime(now_) + " - 5 min.)");
  }

  bool Signs(std::string_view name) const {
    return std::ranges::any_of(claim_.signed_headers,
                               [&](const std::string& known) { return EqualsNoCase(known, name); });
  }

  // Of a presigned request the content type is its sender's, who need not be the signer.
  Failed CheckSignedHeaders() const {
    const auto unsigned_header = [](std::string_view name) {
      return Fault(SignatureFault::kUnsignedHeader,
                   std::string(name) + " must be a 'SignedHeader' in the AWS Authorization.");
    };
    if (!Signs("host")) return unsigned_header("'Host' or ':authority'");
    for (const auto& [name, value] : request_.headers) {
      const bool wanted = StartsWithNoCase(name, "x-amz-") ||
                          (!claim_.time_header.empty() && (EqualsNoCase(name, "content-type") ||
                                                           EqualsNoCase(name, claim_.time_header)));
      if (wanted && !Signs(name)) return unsigned_header(Quoted(name));
    }
    return {};
  }

  Failed CheckScope() const {
    std::string wrong;
    const bool region_valid = std::ranges::all_of(claim_.region, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (!region_valid) {
      wrong += "Credential should be scoped to a valid region, not " + Quoted(claim_.region) + ". ";
    }
    if (claim_.service != rules_.service) {
      wrong +=
          "Credential should be scoped to correct service: '" + std::string(rules_.service) + "'. ";
    }
    if (claim_.terminator != kTerminator) {
      wrong += "Credential should be scoped with a valid terminator: 'aws4_request', not " +
               Quoted(claim_.terminator) + ". ";
    }
    const std::string time = FormatAmzTime(claim_.time);
    if (claim_.date != std::string_view(time).substr(0, 8)) {
      wrong +=
          "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
          "HTTP: " +
          Quoted(claim_.date) + " != '" + time.substr(0, 8) + "', from '" + time + "'. ";
    }
    if (wrong.empty()) return {};
    wrong.pop_back();
    return Fault(SignatureFault::kWrongScope, std::move(wrong));
  }

  const std::string* FindParam(std::string_view name) const {
    const auto found =
        std::ranges::find_if(query_, [&](const auto& param) { return param.first == name; });
    return found == query_.end() ? nullptr : &found->second;
  }

  bool HasToken() const {
    return FindHeader(request_, "x-amz-security-token") ||
           FindParam("X-Amz-Security-Token") != nullptr;
  }

  // What stands in the canonical request for the body, if the request says it.
  Failed ReadPayloadForm() {
    const std::string* param = FindParam("X-Amz-Content-Sha256");
    if (const auto header = CanonicalHeader(request_, "x-amz-content-sha256")) {
      payload_hash_ = *header;
    } else if (claim_.expires_seconds && param != nullptr) {
      payload_hash_ = *param;
    } else if (claim_.expires_seconds && is_s3_) {
      payload_hash_ = kUnsignedPayload;
    }
    if (payload_hash_.empty()) return {};
    for (const ChunkedName& known : kChunkedNames) {
      if (payload_hash_ == known.name) chunked_ = known.form;
    }
    const bool nothing_signed =
        payload_hash_ == kUnsignedPayload || chunked_ == ChunkedForm::kUnsignedTrailer;
    if (nothing_signed && !rules_.allow_unsigned_payload) {
      return Fault(SignatureFault::kUnsignedPayload,
                   Quoted(payload_hash_) + " is not accepted here: sign the payload.");
    }
    const auto hash = FromHex(payload_hash_);
    if (nothing_signed || chunked_ || (hash && hash->size() == 32)) return {};
    return Fault(SignatureFault::kIncomplete,
                 "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… for aws-chunked with "
                 "HMAC-SHA256, or a valid sha256 value; got " +
                     Quoted(payload_hash_) + ".");
  }

  Failed CheckProof(std::string_view secret, bool with_body, SignedCaller& caller) const {
    std::string hash = payload_hash_;
    if (hash.empty()) {
      if (!with_body) return {};
      hash = ToHex(BodyHash());
    }
    const std::string key = SigningKey(secret);
    if (auto failed = CheckSignature(key, hash)) return failed;
    if (!with_body || payload_hash_.empty() || payload_hash_ == kUnsignedPayload) return {};
    if (chunked_) return DecodeBody(key, caller);
    if (codec::ConstantTimeEqual(*FromHex(payload_hash_), BodyHash())) return {};
    return Fault(SignatureFault::kPayloadMismatch,
                 "The provided 'x-amz-content-sha256' header does not match what was computed.");
  }

  std::string BodyHash() const {
    return request_.body_sha256 ? std::string(*request_.body_sha256) : codec::Sha256(request_.body);
  }

  std::string SigningKey(std::string_view secret) const {
    std::string key = codec::HmacSha256("AWS4" + std::string(secret), claim_.date);
    for (const std::string_view part :
         {std::string_view(claim_.region), std::string_view(claim_.service), kTerminator}) {
      key = codec::HmacSha256(key, part);
    }
    return key;
  }

  Failed CheckSignature(const std::string& key, const std::string& payload_hash) const {
    std::string canonical(request_.method);
    canonical.append("\n").append(CanonicalPath(request_.path, is_s3_));
    canonical.append("\n").append(CanonicalQuery(query_)) += '\n';
    for (const std::string& name : claim_.signed_headers) {
      const auto value = CanonicalHeader(request_, name);
      if (!value) {
        return Fault(SignatureFault::kMismatch, std::string(kMismatchText) + " Signed header " +
                                                    Quoted(name) + " is not in the request.");
      }
      canonical.append(name).append(":").append(*value) += '\n';
    }
    canonical.append("\n").append(Join(claim_.signed_headers, ";"));
    canonical.append("\n").append(payload_hash);
    const std::string text = "AWS4-HMAC-SHA256\n" + FormatAmzTime(claim_.time) + "\n" +
                             claim_.Scope() + "\n" + ToHex(codec::Sha256(canonical));
    const std::string signature = ToHex(codec::HmacSha256(key, text));
    if (codec::ConstantTimeEqual(signature, claim_.signature)) return {};
    return Fault(SignatureFault::kMismatch, std::string(kMismatchText));
  }

  Failed DecodeBody(const std::string& key, SignedCaller& caller) const {
    const auto length = CanonicalHeader(request_, "x-amz-decoded-content-length");
    const auto payload_bytes = length ? ParseUint64(*length) : std::nullopt;
    if (!payload_bytes) {
      return Fault(SignatureFault::kIncomplete,
                   "An aws-chunked body requires 'x-amz-decoded-content-length', a number.");
    }
    if (*payload_bytes > rules_.max_payload_bytes) {
      return Fault(
          SignatureFault::kMalformedBody,
          "x-amz-decoded-content-length is over " + std::to_string(rules_.max_payload_bytes) + ".");
    }
    auto decoded = DecodeAwsChunked(request_.body, {.form = *chunked_,
                                                    .payload_bytes = *payload_bytes,
                                                    .trailers = AnnouncedTrailers(),
                                                    .signing_key = key,
                                                    .time = FormatAmzTime(claim_.time),
                                                    .scope = claim_.Scope(),
                                                    .seed_signature = claim_.signature});
    if (!decoded.ok()) {
      const bool forged = decoded.error().code() == Code::kUnauthenticated;
      return Fault(forged ? SignatureFault::kMismatch : SignatureFault::kMalformedBody,
                   forged ? std::string(kMismatchText) : decoded.error().message());
    }
    caller.payload = std::move(decoded->payload);
    caller.trailers = std::move(decoded->trailers);
    return {};
  }

  std::vector<std::string> AnnouncedTrailers() const {
    std::vector<std::string> names;
    const auto header = CanonicalHeader(request_, "x-amz-trailer");
    if (!header) return names;
    for (const std::string_view part : Split(*header, ',')) {
      std::string name;
      for (const char c : part) {
        if (c != ' ') name += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
      }
      if (!name.empty()) names.push_back(std::move(name));
    }
    return names;
  }

  const SignedRequest& request_;
  const SigningRules& rules_;
  const Timestamp now_;
  const bool is_s3_;
  QueryParams query_;
  SignatureClaim claim_;
  std::string payload_hash_;  // as the request says it; empty: it does not
  std::optional<ChunkedForm> chunked_;
};

}  // namespace

std::string_view AwsErrorName(SignatureFault fault) {
  switch (fault) {
    case SignatureFault::kMissing:
      return "MissingAuthenticationTokenException";
    case SignatureFault::kIncomplete:
      return "IncompleteSignatureException";
    case SignatureFault::kSecurityToken:
    case SignatureFault::kUnknownKey:
      return "UnrecognizedClientException";
    case SignatureFault::kMalformedBody:
      return "SerializationException";
    case SignatureFault::kExpired:
    case SignatureFault::kNotYetCurrent:
    case SignatureFault::kUnsignedHeader:
    case SignatureFault::kWrongScope:
    case SignatureFault::kMismatch:
    case SignatureFault::kUnsignedPayload:
    case SignatureFault::kPayloadMismatch:
      return "InvalidSignatureException";
  }
  return "InternalFailure";
}

SignatureVerdict CheckSigned(const SignedRequest& request, const SigningRules& rules, Timestamp now,
                             const FindAwsIdentity& find) {
  return Check(request, rules, now).Run(find, true);
}

SignatureVerdict CheckSignedHead(const SignedRequest& request, const SigningRules& rules,
                                 Timestamp now, const FindAwsIdentity& find) {
  return Check(request, rules, now).Run(find, false);
}

}  // namespace tarn::auth
